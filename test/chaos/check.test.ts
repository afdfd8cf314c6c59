import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { checkInvariants, checkSamples, INVARIANTS, SAMPLES } from './check.ts';
import { displace } from './displaced.ts';

let db: TestDatabase;
let jobId: string;
beforeAll(async () => {
  db = await createTestDatabase();
  ({ jobId } = await displace(db));
  // What is done to the rows here is what no worker could do.
  for (const table of ['coding_jobs', 'coding_sessions', 'session_events']) {
    await db.sql.query(`alter table public.${table} disable trigger user`);
  }
});
afterAll(() => db?.drop());

const PROCESSING = `insert into public.coding_jobs (user_id, session_id, prompt, status, lease_expires_at)
  select user_id, session_id, prompt, 'processing', now() from public.coding_jobs, generate_series(1, 2)`;

/** What breaks each invariant. */
const TAMPERINGS: Record<string, string[]> = {
  lost: ["update public.coding_jobs set status = 'pending', completed_at = null"],
  gaps: ['delete from public.session_events where seq = 2'],
  duplicates: [
    `insert into public.session_events (session_id, user_id, job_id, seq, type, payload, created_at)
     select session_id, user_id, job_id, seq, type, payload, created_at + interval '1 ms'
     from public.session_events where seq = 1`,
  ],
  marks: [
    `update public.session_events set payload = jsonb_set(payload, '{input,n}', '1')
     where type = 'tool_use' and payload #>> '{input,n}' = '2'`,
  ],
  effects: [
    `update public.session_events set payload = jsonb_set(payload, '{input,run}', '"another"')
     where type = 'tool_use' and payload #>> '{input,n}' = '2'`,
  ],
  completions: ["update public.session_events set type = 'completed' where seq = 1"],
  attempts: ["delete from private.job_attempts where outcome = 'expired'"],
  unexplained: ["update public.coding_jobs set status = 'failed', error_code = 'worker_error'"],
  poison: [`update public.coding_jobs set prompt = '{"kind": "poison", "marks": 2}'`],
  usage: ['update public.profiles set tokens_used = tokens_used + 15'],
  stale: ["update public.coding_sessions set metadata = '{}'"],
  two_in_a_session: ['drop index public.coding_jobs_processing_key', PROCESSING],
  over_limit: ['drop index public.coding_jobs_processing_key', PROCESSING],
};

const violated = async () =>
  [...(await checkInvariants(db.sql, [jobId])), ...(await checkSamples(db.sql))].map(
    ({ invariant }) => invariant,
  );

it('nothing is reported of a job that went well', async () => {
  expect(await violated()).toEqual([]);
  expect(Object.keys(TAMPERINGS).sort()).toEqual(
    [...Object.keys(INVARIANTS), ...Object.keys(SAMPLES)].sort(),
  );
});

it.each(Object.entries(TAMPERINGS))('%s: what breaks it is reported', async (invariant, statements) => {
  await db.sql.query('begin');
  try {
    for (const statement of statements) await db.sql.query(statement);
    expect(await violated()).toContain(invariant);
  } finally {
    await db.sql.query('rollback');
  }
});

it('a job that users were told of and that is not there is reported as lost', async () => {
  const id = randomUUID();
  expect(await checkInvariants(db.sql, [jobId, id])).toMatchObject([{ invariant: 'lost', subject: id }]);
});
