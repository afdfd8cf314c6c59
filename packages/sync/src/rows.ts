import type { CodingJob, CodingSession, Project, SessionEvent } from '@mobvibe/db';

type Snake<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${Snake<Rest>}`
  : Name;

type Json<Value> = Value extends Date ? string : Value extends bigint ? number : Value;

/** A row of the Prisma schema as the API gives it: snake_case, times as ISO strings. */
type ApiRow<Model> = { [Field in keyof Model & string as Snake<Field>]: Json<Model[Field]> };

export type ProjectRow = ApiRow<Omit<Project, 'userId'>>;

/** Without what every batch of events writes. */
export type SessionRow = ApiRow<
  Omit<CodingSession, 'userId' | 'expiresAt' | 'lastActivityAt' | 'lastEventSeq' | 'updatedAt'>
>;

/** Without what every heartbeat of a worker writes. */
export type JobRow = ApiRow<Omit<CodingJob, 'userId' | 'workerId' | 'leaseExpiresAt' | 'updatedAt'>>;

/** An event of a session. `seq` ascends from 1. */
export type EventRow = ApiRow<Omit<SessionEvent, 'userId' | 'sessionId'>>;

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
