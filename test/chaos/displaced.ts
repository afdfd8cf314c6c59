import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { type Claim, createQueue } from '../../apps/worker/src/index.ts';
import type { TestDatabase } from '../harness/database.ts';
import { checkInvariants, type Violation } from './check.ts';
import type { Work } from './plan.ts';
import { writeStale } from './stale.ts';

const WORK: Work = { kind: 'update', marks: 2, ms: 0 };
const USAGE = { input_tokens: 10, output_tokens: 5 };

/** What came of it. */
export interface Displacement {
  jobId: string;
  /** The writes of the displaced worker that were not refused. */
  taken: string[];
  /** Those of its writes that left the database other than it was. */
  changed: string[];
  violations: Violation[];
}

/**
 * A job whose first worker stops answering in the middle of it and is displaced by a second one. The first then makes
 * every write that there is, while the second works, and again when it has ended the job.
 */
export async function displace({ sql, createUser }: TestDatabase): Promise<Displacement> {
  const { jobId } = await enqueue(sql, await createUser());
  const [first, second] = ['first', 'second'].map((id) => createQueue(sql, id, 60_000)) as [Queue, Queue];
  const result: Displacement = { jobId, taken: [], changed: [], violations: [] };

  const before = await claimOne(first);
  await mark(first, before, randomUUID(), 1);
  await sql.query(
    "update public.coding_jobs set lease_expires_at = now() - interval '1 second' where id = $1",
    [jobId],
  );
  await sql.query('select private.reap_expired_jobs()');
  await sql.query('update public.coding_jobs set available_at = now() where id = $1', [jobId]);

  async function writeAsFirst(): Promise<void> {
    const earlier = await dump(sql);
    result.taken.push(...(await writeStale(sql, { workerId: 'first', job: before })));
    const later = await dump(sql);
    for (const [table, rows] of Object.entries(later))
      if (rows !== earlier[table]) result.changed.push(table);
  }

  const held = await claimOne(second);
  const run = randomUUID();
  await mark(second, held, run, 1);
  await writeAsFirst();
  await mark(second, held, run, 2);
  await second.updateSession(held, { metadata: { [jobId]: run } });
  await second.complete(held, { summary: run, usage: USAGE }, { type: 'completed', payload: {} });
  await writeAsFirst();
  result.violations = await checkInvariants(sql, [jobId]);
  return result;
}

type Queue = ReturnType<typeof createQueue>;

async function enqueue(sql: Client, userId: string): Promise<{ jobId: string }> {
  const { rows } = await sql.query(
    `with project as (insert into public.projects (user_id, name) values ($1, 'App') returning id),
     session as (
       insert into public.coding_sessions (user_id, project_id) select $1, id from project returning id
     )
     select id from session`,
    [userId],
  );
  const job = await sql.query(
    'insert into public.coding_jobs (user_id, session_id, prompt) values ($1, $2, $3) returning id',
    [userId, rows[0].id, JSON.stringify(WORK)],
  );
  return { jobId: job.rows[0].id };
}

async function claimOne(queue: Queue): Promise<Claim> {
  const [claim] = await queue.claim(1);
  if (!claim) throw new Error('there is no job to claim');
  return claim;
}

async function mark(queue: Queue, job: Claim, run: string, n: number): Promise<void> {
  const input = { run, attempt: job.attempt, n, of: WORK.marks };
  await queue.appendEvents(job, [{ type: 'tool_use', payload: { tool: 'mark', input } }]);
}

const TABLES = [
  'public.profiles',
  'public.projects',
  'public.coding_sessions',
  'public.coding_jobs',
  'public.session_events',
  'private.job_attempts',
];

/** Every row of every table that a worker writes, as text. */
async function dump(sql: Client): Promise<Record<string, string>> {
  const dumped: Record<string, string> = {};
  for (const table of TABLES) {
    const { rows } = await sql.query(
      `select coalesce(string_agg(t::text, e'\\n' order by t::text), '') as rows from ${table} as t`,
    );
    dumped[table] = rows[0].rows;
  }
  return dumped;
}
