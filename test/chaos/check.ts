import { readdirSync, readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import type pg from 'pg';
import { FAILURE_TOKENS } from './executor.ts';

/** Something that must never be. */
export interface Violation {
  /** The file in invariants/ or samples/ that says what must hold, or what else was watched. */
  invariant: string;
  /** The job, session, user or worker that breaks it. */
  subject: string;
  detail: string;
}

/** Everything recorded of the jobs that a violation is about, for whoever wants to know what happened. */
export interface Evidence {
  jobs: object[];
  attempts: object[];
  events: object[];
}

type Database = Pick<pg.ClientBase, 'query'>;

const read = (directory: string): Record<string, string> => {
  const place = new URL(`${directory}/`, import.meta.url);
  return Object.fromEntries(
    readdirSync(place).map((file) => [
      basename(file, extname(file)),
      readFileSync(new URL(file, place), 'utf8'),
    ]),
  );
};

/** What must hold when all is over, by name. */
export const INVARIANTS = read('invariants');
/** What must hold at any moment. */
export const SAMPLES = read('samples');

/**
 * Looks for whatever breaks an invariant.
 * @param toldIds the jobs whose users were told that they are enqueued
 */
export async function checkInvariants(database: Database, toldIds: string[]): Promise<Violation[]> {
  const values: Record<string, unknown[]> = { lost: [toldIds], usage: [FAILURE_TOKENS] };
  return violationsOf(database, INVARIANTS, values);
}

/** Looks for what must not be at this moment. */
export const checkSamples = (database: Database) => violationsOf(database, SAMPLES);

async function violationsOf(
  database: Database,
  queries: Record<string, string>,
  values: Record<string, unknown[]> = {},
): Promise<Violation[]> {
  const violations: Violation[] = [];
  for (const [invariant, sql] of Object.entries(queries)) {
    const { rows } = await database.query<Omit<Violation, 'invariant'>>(sql, values[invariant] ?? []);
    violations.push(...rows.map((row) => ({ invariant, ...row })));
  }
  return violations;
}

/** What is on record of the subjects of violations: jobs, or those of sessions, with their events in order. */
export async function collectEvidence(database: Database, violations: Violation[]): Promise<Evidence> {
  const subjects = [...new Set(violations.map(({ subject }) => subject))].slice(0, 20);
  const { rows: jobs } = await database.query(
    'select * from public.coding_jobs where id::text = any ($1) or session_id::text = any ($1) order by created_at, id',
    [subjects],
  );
  const ids = jobs.map(({ id }) => id);
  const { rows: attempts } = await database.query(
    'select * from private.job_attempts where job_id = any ($1) order by job_id, attempt',
    [ids],
  );
  const { rows: events } = await database.query(
    `select session_id, seq, job_id, type, case when type <> 'terminal' then payload end as payload, created_at
     from public.session_events where job_id = any ($1) order by session_id, seq`,
    [ids],
  );
  return { jobs, attempts, events };
}
