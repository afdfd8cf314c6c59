import type { CodingJob, CodingSession, Project, SessionEvent } from './generated/models.ts';

export type { Json } from './generated/models.ts';

export type ProjectRow = Omit<Project, 'user_id'>;

/** Without what every batch of events writes. */
export type SessionRow = Omit<
  CodingSession,
  'user_id' | 'expires_at' | 'last_activity_at' | 'last_event_seq' | 'updated_at'
>;

/** Without what every heartbeat of a worker writes. */
export type JobRow = Omit<CodingJob, 'user_id' | 'worker_id' | 'lease_expires_at' | 'updated_at'>;

/** An event of a session. `seq` ascends from 1. */
export type EventRow = Omit<SessionEvent, 'user_id' | 'session_id'>;

/** What one call of sync_changes gives. A row is whole; one that is deleted has `deleted_at`. */
export interface Changes {
  /** Where the next call goes on; opaque. */
  cursor: string;
  /** Forget all rows: these, and those of the calls that follow, are all there are. */
  reset: boolean;
  projects: ProjectRow[];
  coding_sessions: SessionRow[];
  coding_jobs: JobRow[];
}
