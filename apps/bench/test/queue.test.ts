import { setImmediate } from 'node:timers/promises';
import { describe as describeTarget, withConnection } from '@mobvibe/cli';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { adminUrlOf, createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import type { Run } from '../src/core/benchmark.ts';
import type { BenchServer } from '../src/core/server.ts';
import { queueBenchmark } from '../src/queue/benchmark.ts';
import { drainInBatches } from '../src/queue/contenders/batches.ts';
import type { Scale } from '../src/queue/scale.ts';

const TINY: Scale = {
  users: 6,
  sessions: 2,
  jobsOf: () => 40,
  batches: [1, 10],
  best: [10, 20],
  calibrations: 1,
  latencies: 2,
  enqueues: 10,
  bulks: 1,
  finished: 300,
  processes: [1, 2],
};

let db: TestDatabase;
beforeEach(async () => {
  db = await createTestDatabase();
});
afterEach(() => db.drop());

function run(options: Partial<Run> = {}) {
  const server: BenchServer = { target: describeTarget(db.url), admin: describeTarget(adminUrlOf(db.url)) };
  return queueBenchmark(TINY).run({
    server,
    rounds: 1,
    warmup: 0,
    quick: false,
    signal: new AbortController().signal,
    ...options,
  });
}

const three = ['ours', 'graphile-worker', 'pg-boss'];
const adding = [...three, 'ours, while a worker waits for jobs'];

/** Each group with its contenders, and how many of its figures have a target. */
const GROUPS: [title: string, contenders: string[], targets: number][] = [
  ['no-op jobs, each at its best', three, 2],
  ['no-op jobs, claimed one by one', three, 2],
  ['no-op jobs, in batches of 10', three, 2],
  ['from enqueue to start, idle worker', [...three, 'ours, until the executor runs'], 1],
  ['enqueue, 1 connection', adding, 0],
  ['enqueue, 10 connections', adding, 1],
  ['enqueue, 1,000 a call', adding, 0],
  ['no-op jobs under an old snapshot, claimed one by one', three, 2],
  ['no-op jobs under an old snapshot, in batches of 100', three, 2],
  ['no-op jobs, several processes, in batches of 100', ['1 process', '2 processes'], 0],
  [
    'no-op jobs, with and without the broadcasts to the devices of their owners',
    ['ours', 'ours, without broadcasts'],
    0,
  ],
  ['no-op jobs, with 300 finished ones in the table', ['ours, many finished', 'ours'], 1],
];

test('measures every part with every contender, and leaves no database behind', async () => {
  // Nobody may be connected to the database that is copied.
  await db.sql.end();
  const { rows, groups } = await run();
  expect(rows).toMatchObject({ users: 6, coding_sessions: 12, 'jobs (batch 10)': 40 });
  const measured = groups.map(({ title, contenders, checks }) => [
    title,
    contenders.map(({ name }) => name.replace(/ \(.*/, '')),
    checks.filter(({ target }) => target).length,
  ]);
  expect(measured).toEqual(GROUPS);
  for (const { p50, samples } of groups.flatMap(({ contenders }) => contenders)) {
    expect(samples).toBeGreaterThan(0);
    expect(p50).toBeGreaterThan(0);
  }
  const left = await withConnection(describeTarget(inject('server').adminUrl), (client) =>
    client.query(`select datname from pg_catalog.pg_database where datname like 'bench%'`),
  );
  expect(left.rows).toEqual([]);
}, 120_000);

test('our rules hold while it measures', async () => {
  let ended = false;
  const measuring = run({ only: 'batches', rounds: 3 }).finally(() => {
    ended = true;
  });
  let mostOfASession = 0;
  while (!ended) {
    const { rows } = await db.sql.query<{ most: number }>(
      `select coalesce(max(jobs), 0)::integer as most from (
         select count(*) as jobs from public.coding_jobs where status = 'processing' group by session_id
       ) as held`,
    );
    mostOfASession = Math.max(mostOfASession, rows[0]?.most ?? 0);
    await setImmediate();
  }
  await measuring;
  expect(mostOfASession).toBe(1);
  // Of the last slice: each job ran once, and its history says so.
  const { rows } = await db.sql.query(
    `select count(*)::integer as attempts, count(distinct j.id)::integer as jobs,
       count(*) filter (where j.status = 'completed' and a.outcome = 'completed')::integer as completed
     from public.coding_jobs as j
     join private.job_attempts as a on a.job_id = j.id and a.worker_id = j.worker_id`,
  );
  expect(rows).toEqual([{ attempts: 40, jobs: 40, completed: 40 }]);
}, 90_000);

test('a contender that runs a job twice, or too many, is not measured', async () => {
  const source = (ids: string[]) => ({
    name: 'broken',
    claim: async () => ids.splice(0, 2).map((id) => ({ id })),
    finish: async () => {},
  });
  const settings = { batch: 2, atOnce: 1 };
  await expect(drainInBatches(source(['a', 'b', 'a']), settings, 3)).rejects.toThrow('ran a job twice');
  await expect(drainInBatches(source(['a', 'b', 'c', 'd']), settings, 3)).rejects.toThrow('ran 4 of 3 jobs');
  expect(await drainInBatches(source(['a', 'b', 'c']), settings, 3)).toBeGreaterThan(0);
});

test('refuses a database on which it could not be alone', async () => {
  await expect(run({ server: { target: describeTarget(db.url) } })).rejects.toMatchObject({
    fix: 'run it without DATABASE_URL',
  });
  await db.createUser();
  await expect(run({ only: 'enqueue' })).rejects.toThrow('not empty');
});
