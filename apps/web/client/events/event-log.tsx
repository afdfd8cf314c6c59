import type { JobRow, SessionEvent, SessionRow } from '@mobvibe/sync';
import { Fragment } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { EventItem } from './event-item.tsx';

/** What was asked and what happened, in order. New events are read out, and followed where one looks at the end. */
export function EventLog(props: { session: SessionRow; jobs: JobRow[]; events: SessionEvent[] }) {
  const { session, jobs, events } = props;
  const end = useRef<HTMLDivElement>(null);
  const { atEnd, scrollToEnd } = useFollowedEnd(end, events.length + jobs.length);
  const begun = new Set(events.map(({ job_id }) => job_id));
  const waiting = jobs.filter(({ id }) => !begun.has(id));
  const running = jobs.some(({ id, status }) => status === 'processing' && begun.has(id));
  return (
    <>
      <div role="log" aria-live="polite" aria-relevant="additions" aria-label="Events">
        <ol class="events">
          {events.map((event, index) => {
            const job =
              event.job_id !== events[index - 1]?.job_id && jobs.find(({ id }) => id === event.job_id);
            return (
              <Fragment key={event.seq}>
                {job && <Prompt text={job.prompt} />}
                <EventItem event={event} before={events[index - 1]} session={session} />
              </Fragment>
            );
          })}
          {waiting.map((job) => (
            <Fragment key={job.id}>
              <Prompt text={job.prompt} />
              <li class="note muted">{WAITING[job.status] ?? job.status}</li>
            </Fragment>
          ))}
        </ol>
      </div>
      {running && (
        <p class="working muted">
          <span class="dots" aria-hidden="true" />
          The agent is at work
        </p>
      )}
      <div ref={end} />
      {!atEnd && (
        <button type="button" class="to-end" onClick={scrollToEnd}>
          Latest ↓
        </button>
      )}
    </>
  );
}

const WAITING: Partial<Record<string, string>> = {
  pending: 'Waiting for a worker…',
  processing: 'A worker has taken it…',
  cancelled: 'Cancelled before it began',
};

function Prompt({ text }: { text: string }) {
  return (
    <li class="prompt" dir="auto">
      <span class="visually-hidden">You asked: </span>
      {text}
    </li>
  );
}

/** Stays at the end as it moves away, unless one has scrolled up to read. */
function useFollowedEnd(end: { current: HTMLElement | null }, length: number) {
  const [atEnd, setAtEnd] = useState(true);
  useEffect(() => {
    if (!end.current) return;
    // The room that the composer takes at the bottom, and a little more.
    const observer = new IntersectionObserver(([entry]) => setAtEnd(Boolean(entry?.isIntersecting)), {
      rootMargin: '0px 0px 120px 0px',
    });
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [end]);
  const scrollToEnd = () => scrollTo({ top: document.documentElement.scrollHeight });
  useLayoutEffect(() => {
    if (length > 0 && atEnd) scrollToEnd();
  }, [length, atEnd]);
  return { atEnd, scrollToEnd };
}
