import { createOnce } from '@mobvibe/sync';
import { useState } from 'preact/hooks';
import { v7 as uuidv7 } from 'uuid';
import { Alert } from '../parts/alert.tsx';
import { Time } from '../parts/time.tsx';
import { useAccount } from '../state/account.ts';
import { useAction } from '../state/action.ts';
import { useHeading } from '../state/heading.ts';
import { goTo, projectPath } from '../state/route.ts';
import { newestFirst, present } from '../state/rows.ts';

/** The user's projects, and a form that makes another. */
export function ProjectsView() {
  const { supabase, store } = useAccount();
  const heading = useHeading('Projects');
  const [name, setName] = useState('');
  const create = useAction(async () => {
    const id = uuidv7();
    await createOnce(supabase, 'projects', { id, name: name.trim() });
    goTo(projectPath(id));
  });
  const projects = newestFirst(present(store.projects));
  const sessions = present(store.coding_sessions);
  return (
    <main id="content" class="page">
      <h1 ref={heading} tabIndex={-1}>
        Projects
      </h1>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          void create.run();
        }}
      >
        <label class="grow">
          <span class="visually-hidden">Name of a new project</span>
          <input
            name="name"
            placeholder="Name"
            required
            pattern=".*\S.*"
            maxLength={120}
            autocomplete="off"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" aria-disabled={create.busy}>
          New project
        </button>
      </form>
      <Alert>{create.error}</Alert>
      {projects.length === 0 && <p class="muted">No projects yet. Name your first one above.</p>}
      <ul class="cards">
        {projects.map((project) => {
          const count = sessions.filter(({ project_id }) => project_id === project.id).length;
          return (
            <li key={project.id}>
              <a class="card" href={projectPath(project.id)}>
                <strong dir="auto">{project.name}</strong>
                {project.description && (
                  <span class="clamp" dir="auto">
                    {project.description}
                  </span>
                )}
                <span class="muted">
                  {count === 1 ? '1 session' : `${count} sessions`} · <Time at={project.created_at} />
                  {project.status === 'archived' && ' · archived'}
                </span>
              </a>
            </li>
          );
        })}
      </ul>
    </main>
  );
}
