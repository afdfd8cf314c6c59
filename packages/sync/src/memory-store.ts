import type { Changes, JobRow, ProjectRow, SessionRow } from './rows.ts';
import type { ChangeStore } from './sync-changes.ts';

/** A local copy in memory, each table by id. Tombstones stay: they have `deleted_at`. */
export interface MemoryStore extends ChangeStore {
  readonly projects: ReadonlyMap<string, ProjectRow>;
  readonly coding_sessions: ReadonlyMap<string, SessionRow>;
  readonly coding_jobs: ReadonlyMap<string, JobRow>;
}

/** @param onChange told after each batch of changes */
export function createMemoryStore(onChange?: (changes: Changes) => void): MemoryStore {
  const projects = new Map<string, ProjectRow>();
  const coding_sessions = new Map<string, SessionRow>();
  const coding_jobs = new Map<string, JobRow>();
  let cursor: string | null = null;
  return {
    projects,
    coding_sessions,
    coding_jobs,
    cursor: () => cursor,
    apply(changes) {
      if (changes.reset) for (const table of [projects, coding_sessions, coding_jobs]) table.clear();
      for (const row of changes.projects) projects.set(row.id, row);
      for (const row of changes.coding_sessions) coding_sessions.set(row.id, row);
      for (const row of changes.coding_jobs) coding_jobs.set(row.id, row);
      cursor = changes.cursor;
      onChange?.(changes);
    },
  };
}
