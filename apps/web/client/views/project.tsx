import { createOnce } from '@mobvibe/sync';
import { v7 as uuidv7 } from 'uuid';
import { Alert } from '../parts/alert.tsx';
import { Badge } from '../parts/badge.tsx';
import { Missing } from '../parts/missing.tsx';
import { Time } from '../parts/time.tsx';
import { useAccount } from '../state/account.ts';
import { useAction } from '../state/action.ts';
import { useHeading } from '../state/heading.ts';
import { goTo, sessionPath } from '../state/route.ts';
import { newestFirst, present } from '../state/rows.ts';

/** A project's sessions, and a button that opens another. */
export function ProjectView({ id }: { id: string }) {
  const { supabase, store } = useAccount();
  const project = store.projects.get(id);
  const heading = useHeading(project?.name ?? 'Project');
  const open = useAction(async () => {
    const session = uuidv7();
    await createOnce(supabase, 'coding_sessions', { id: session, project_id: id });
    goTo(sessionPath(session));
  });
  if (!project || project.deleted_at) return <Missing what="project" />;

  const sessions = newestFirst(present(store.coding_sessions).filter(({ project_id }) => project_id === id));
  const jobs = newestFirst([...store.coding_jobs.values()]).reverse();
  return (
    <main id="content" class="page">
      <nav aria-label="Where you are">
        <a href="#/">Projects</a>
      </nav>
      <h1 ref={heading} tabIndex={-1} dir="auto">
        {project.name}
      </h1>
      {project.description && <p dir="auto">{project.description}</p>}
      <div class="row between">
        <h2>Sessions</h2>
        <button type="button" class="primary" aria-disabled={open.busy} onClick={() => void open.run()}>
          New session
        </button>
      </div>
      <Alert>{open.error}</Alert>
      {sessions.length === 0 && <p class="muted">No sessions yet. Open one and say what to build.</p>}
      <ul class="cards">
        {sessions.map((session) => {
          const first = jobs.find(({ session_id }) => session_id === session.id);
          return (
            <li key={session.id}>
              <a class="card" href={sessionPath(session.id)}>
                <span class="row between">
                  <strong class="ellipsis" dir="auto">
                    {first?.prompt ?? 'Nothing asked yet'}
                  </strong>
                  <Badge status={session.status} />
                </span>
                <span class="muted">
                  <Time at={session.created_at} />
                </span>
              </a>
            </li>
          );
        })}
      </ul>
    </main>
  );
}
