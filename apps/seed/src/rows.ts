import type {
  CodingJob,
  CodingSession,
  JobAttempt,
  Profile,
  Project,
  SessionEvent,
  User,
  Worker,
} from '@mobvibe/db';

/** A row of auth.identities, which the Prisma schema does not model. */
export interface Identity {
  id: string;
  userId: string;
  providerId: string;
  provider: string;
  identityData: Record<string, string | boolean>;
  lastSignInAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
}

/** Rows of every table, in the order of their foreign keys. Every column is given: no default of a database decides. */
export interface Rows {
  workers: Worker[];
  users: User[];
  identities: Identity[];
  /** A trigger makes them and another one stamps updated_at, so that column alone is the database's. */
  profiles: Omit<Profile, 'updatedAt'>[];
  projects: Project[];
  sessions: CodingSession[];
  jobs: CodingJob[];
  attempts: JobAttempt[];
  events: SessionEvent[];
}

export const noRows = (): Rows => ({
  workers: [],
  users: [],
  identities: [],
  profiles: [],
  projects: [],
  sessions: [],
  jobs: [],
  attempts: [],
  events: [],
});

/** All rows of several sets, in their order. */
export function join(sets: Iterable<Rows>): Rows {
  const all = noRows();
  for (const set of sets) {
    for (const table of Object.keys(all) as (keyof Rows)[]) {
      const rows = all[table] as unknown[];
      // Not spread: a call takes only so many arguments.
      for (const row of set[table]) rows.push(row);
    }
  }
  return all;
}
