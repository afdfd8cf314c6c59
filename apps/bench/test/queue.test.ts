import { setImmediate } from 'node:timers/promises';
import { describe as describeTarget } from '@mobvibe/cli';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
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
  const { adminUrl } = inject('server');
  const admin = Object.assign(new URL(adminUrl), { pathname: new URL(db.url).pathname }).href;
  const server: BenchServer = { target: describeTarget(db.url), admin: describeTarget(admin) };
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

test.for<[part: string, targets: number, groups: Record<string, string[]>]>([
  ['throughput', 2, { 'no-op jobs, each at its best': three }],
  ['batches', 4, { 'no-op jobs, claimed one by one': three, 'no-op jobs, in batches of 10': three }],
  ['latency', 1, { 'from enqueue to start, idle worker': [...three, 'ours, until the executor runs'] }],
  [
    'enqueue',
    1,
    {
      'enqueue, 1 connection': adding,
      'enqueue, 10 connections': adding,
      'enqueue, 1,000 a call': adding,
    },
  ],
  [
    'snapshot',
    4,
    {
      'no-op jobs under an old snapshot, claimed one by one': three,
      'no-op jobs under an old snapshot, in batches of 100': three,
    },
  ],
  [
    'broadcasts',
    0,
    {
      'no-op jobs, with and without the broadcasts to the devices of their owners': [
        'ours',
        'ours, without broadcasts',
      ],
    },
  ],
  ['processes', 0, { 'no-op jobs, several processes, in batches of 100': ['1 process', '2 processes'] }],
])(
  'measures %s with every contender, and leaves no database behind',
  { timeout: 90_000 },
  async ([only, targets, expected]) => {
    const { rows, groups } = await run({ only });
    expect(rows).toMatchObject({ users: 6, coding_sessions: 12, 'jobs (batch 10)': 40 });
    const names = groups.map(({ title, contenders }) => [
      title,
      contenders.map(({ name }) => name.replace(/ \(.*/, '')),
    ]);
    expect(Object.fromEntries(names)).toEqual(expected);
    for (const { p50, samples } of groups.flatMap(({ contenders }) => contenders)) {
      expect(samples).toBeGreaterThan(0);
      expect(p50).toBeGreaterThan(0);
    }
    expect(groups.flatMap(({ checks }) => checks.filter(({ target }) => target))).toHaveLength(targets);
    const { rows: databases } = await db.sql.query(
      `select datname from pg_catalog.pg_database where datname like 'bench%'`,
    );
    expect(databases).toEqual([]);
  },
);

test('holds many finished jobs against none', async () => {
  // Nobody may be connected to the database that is copied.
  await db.sql.end();
  const { groups } = await run({ only: 'finished' });
  const names = groups.map(({ contenders }) => contenders.map(({ name }) => name.replace(/ \(.*/, '')));
  expect(names).toEqual([['ours, many finished', 'ours']]);
}, 60_000);

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
