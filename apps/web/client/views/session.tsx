import { EventLog } from '../events/event-log.tsx';
import { Badge } from '../parts/badge.tsx';
import { Composer } from '../parts/composer.tsx';
import { ConnectionState } from '../parts/connection-state.tsx';
import { Missing } from '../parts/missing.tsx';
import { webLink } from '../parts/web-link.ts';
import { useAccount } from '../state/account.ts';
import { useEvents } from '../state/events.ts';
import { useHeading } from '../state/heading.ts';
import { projectPath } from '../state/route.ts';
import { newestFirst } from '../state/rows.ts';

/** A session as it goes on: what was asked, what the agent does, and a box to ask for more. */
export function SessionView({ id }: { id: string }) {
  const { supabase, store } = useAccount();
  const session = store.coding_sessions.get(id);
  const project = session && store.projects.get(session.project_id);
  const jobs = newestFirst(
    [...store.coding_jobs.values()].filter(({ session_id }) => session_id === id),
  ).reverse();
  const { events, status } = useEvents(supabase, id);
  const title = jobs[0]?.prompt ?? 'New session';
  const heading = useHeading(title.slice(0, 60));
  if (!session || session.deleted_at) return <Missing what="session" />;

  const preview = webLink(session.webview_url ?? session.eas_update_url);
  return (
    <main id="content" class="page session">
      <nav aria-label="Where you are">
        <a href="#/">Projects</a>
        {project && (
          <>
            <span aria-hidden="true"> › </span>
            <a href={projectPath(project.id)} dir="auto">
              {project.name}
            </a>
          </>
        )}
      </nav>
      <div class="row between">
        <h1 ref={heading} tabIndex={-1} class="ellipsis" dir="auto">
          {title}
        </h1>
        <Badge status={session.status} />
      </div>
      <p class="row muted">
        <ConnectionState status={status} of="Session" />
        {preview && (
          <a href={preview} target="_blank" rel="noopener noreferrer">
            Open the preview
          </a>
        )}
      </p>
      <EventLog session={session} jobs={jobs} events={events} />
      <Composer session={session} jobs={jobs} />
    </main>
  );
}
