import type { SessionEvent, SessionRow } from '@mobvibe/sync';
import type { ComponentChildren } from 'preact';
import { webLink } from '../parts/web-link.ts';
import { FileChange } from './file-change.tsx';
import { number, text } from './payload.ts';
import { Terminal } from './terminal.tsx';

/** One event, as its type wants to be seen. What a newer worker may add is shown as text where it has any. */
export function EventItem(props: {
  event: SessionEvent;
  before: SessionEvent | undefined;
  session: SessionRow;
}) {
  const { event, before, session } = props;
  return (
    <li class={`event ${event.type}`} data-seq={event.seq} data-type={event.type}>
      {content(event, before, session)}
    </li>
  );
}

function content(
  { type, payload }: SessionEvent,
  before: SessionEvent | undefined,
  session: SessionRow,
): ComponentChildren {
  switch (type) {
    case 'thinking':
      return (
        <details>
          <summary>Thinking</summary>
          <p dir="auto">{text(payload, 'text') || 'The model does not show this thought.'}</p>
        </details>
      );
    case 'message':
      return <p dir="auto">{text(payload, 'text')}</p>;
    case 'terminal':
      return (
        <Terminal
          command={text(payload, 'command')}
          output={text(payload, 'output')}
          exitCode={number(payload, 'exit_code')}
        />
      );
    case 'file_change':
      return (
        <FileChange
          path={text(payload, 'path')}
          change={text(payload, 'change')}
          added={number(payload, 'added')}
          removed={number(payload, 'removed')}
          session={session}
        />
      );
    case 'tool_use':
      return <ToolUse payload={payload} />;
    case 'preview_ready':
      return <PreviewReady address={text(payload, 'url')} />;
    case 'error':
      return (
        <>
          <strong>{text(payload, 'message') || 'Something went wrong.'}</strong>
          <span class="small">
            {text(payload, 'code')}
            {(payload as { retryable?: unknown } | null)?.retryable === true && ' · it is tried again'}
          </span>
        </>
      );
    case 'completed':
      return <Completed payload={payload} said={text(before?.payload, 'text')} />;
    default:
      return <span class="small">{statusText(payload)}</span>;
  }
}

const STATUS: Partial<Record<string, string>> = {
  started: 'Started',
  model_retry: 'The model did not answer: asking again',
  conversation_compacted: 'Going on from a summary of the conversation',
  conversation_restarted: 'The conversation starts anew; the files are still there',
  cancelled: 'Cancelled',
  released: 'The worker stopped: another goes on',
};

function statusText(payload: unknown): string {
  const status = text(payload, 'status');
  const attempt = number(payload, 'attempt') ?? 1;
  return `${STATUS[status] ?? status}${status === 'started' && attempt > 1 ? `, attempt ${attempt}` : ''}`;
}

function ToolUse({ payload }: { payload: unknown }) {
  const error = text(payload, 'error');
  const input = (payload as { input?: unknown } | null)?.input;
  return (
    <details>
      <summary>
        Used {text(payload, 'tool')}
        {error && ' – it failed'}
      </summary>
      {error && <p dir="auto">{error}</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>{JSON.stringify(input, null, 2)}</pre>
    </details>
  );
}

function PreviewReady({ address }: { address: string }) {
  const link = webLink(address);
  if (!link) return <span>A preview is ready.</span>;
  return (
    <a class="preview" href={link} target="_blank" rel="noopener noreferrer">
      <strong>The preview is ready</strong>
      <span class="small">{new URL(link).host}</span>
    </a>
  );
}

// A job may cost less than a cent.
const dollars = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', maximumFractionDigits: 4 });

/** `said`: what the agent said last, which its summary often repeats. */
function Completed({ payload, said }: { payload: unknown; said: string }) {
  const summary = text(payload, 'summary');
  const [cost, turns, ms] = ['cost_usd', 'turns', 'duration_ms'].map((name) => number(payload, name));
  const facts = [
    cost !== null && dollars.format(cost ?? 0),
    turns !== null && (turns === 1 ? '1 turn' : `${turns} turns`),
    ms !== null && `${((ms ?? 0) / 1000).toFixed(1)} s`,
  ];
  return (
    <>
      <strong>Done</strong>
      {summary !== said && <p dir="auto">{summary}</p>}
      <span class="small">{facts.filter(Boolean).join(' · ')}</span>
    </>
  );
}
