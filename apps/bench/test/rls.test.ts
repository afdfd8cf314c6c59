import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import type { Benchmark } from '../src/core/benchmark.ts';
import { type Flags, runBenchmark } from '../src/core/command.ts';
import { figureCheck, groupOf } from '../src/core/group.ts';
import { resultSchema } from '../src/core/result.ts';
import { rlsBenchmark } from '../src/rls/benchmark.ts';

const tiny = rlsBenchmark({ users: 12, events: 4 });
let db: TestDatabase;
let directory: string;

beforeAll(async () => {
  db = await createTestDatabase();
  directory = await mkdtemp(join(tmpdir(), 'mobvibe-bench-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});
afterAll(async () => {
  await db.drop();
  await rm(directory, { recursive: true, force: true });
});

async function run(flags: Flags, url: string, benchmark: Benchmark = tiny): Promise<string> {
  vi.stubEnv('DATABASE_URL', url);
  const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  await runBenchmark(benchmark, flags);
  return stdout.mock.calls.map(([text]) => text).join('');
}

// Without the superuser, so that the rows keep every rule on their way in.
test('measures every contender on a database that somebody named, and leaves nothing in it', async () => {
  const owner = await db.createUser();
  const stdout = await run({ json: true, rounds: '1', out: directory }, db.url);

  const result = resultSchema.parse(JSON.parse(stdout));
  expect(JSON.parse(await readFile(join(directory, 'rls.json'), 'utf8'))).toEqual(result);
  expect(await readFile(join(directory, 'rls.svg'), 'utf8')).toMatch(/^<svg /);

  const { rows, groups, options } = result;
  expect(options).toEqual({ quick: false, rounds: 1 });
  expect(rows).toEqual({ projects: 120, coding_sessions: 120, coding_jobs: 180, session_events: 480 });
  const names = groups.map(({ title, contenders }) => [title, contenders.map(({ name }) => name)]);
  const inSql = ['row-level security', 'explicit filter'];
  const inPrisma = [
    'plain client',
    'asUser',
    'asUser, made for the read',
    '$extends with a batch',
    'interactive $transaction',
  ];
  expect(Object.fromEntries(names)).toEqual({
    'a user’s projects': inSql,
    'active sessions': inSql,
    'pending jobs': inSql,
    'recent events': inSql,
    'a project by id, one after another': inPrisma,
    'a project by id, 10 at a time over 10 connections': inPrisma,
  });
  for (const { p50, p95, samples } of groups.flatMap(({ contenders }) => contenders)) {
    expect(samples).toBeGreaterThan(0);
    expect(Math.min(p50, p95)).toBeGreaterThan(0);
  }
  // A ratio and a p95 for each query, and two ways to use asUser.
  expect(groups.flatMap(({ checks }) => checks.filter(({ met }) => met !== undefined))).toHaveLength(10);

  const { rows: users } = await db.sql.query('select id from auth.users');
  expect(users).toEqual([{ id: owner }]);
}, 120_000);

test('fails for a missed target only where that is asked for, and names it', async () => {
  const missing: Benchmark = {
    ...tiny,
    run: async () => ({
      rows: {},
      groups: [
        groupOf(
          'reading',
          'ms',
          [{ name: 'slow', rounds: [[9]] }],
          [figureCheck('p95', 9, 'ms', { atMost: 5 }), figureCheck('p50', 9, 'ms', { atMost: 10 })],
        ),
      ],
    }),
  };
  expect(await run({ quick: true }, db.url, missing)).toContain('✗ missed');
  await expect(run({ quick: true, assert: true }, db.url, missing)).rejects.toMatchObject({
    message: 'target missed: reading: p95',
    exitCode: 1,
  });
});

test('refuses what it could not measure on', async () => {
  await expect(run({}, 'postgresql://u:p@db.example.com/postgres')).rejects.toMatchObject({
    message: expect.stringContaining('would change u@db.example.com'),
    fix: expect.stringContaining('--allow-remote'),
  });
  const platform = await createTestDatabase('platform');
  try {
    await expect(run({}, platform.url)).rejects.toMatchObject({ fix: 'pnpm turbo migrate' });
  } finally {
    await platform.drop();
  }
  await expect(run({ rounds: 'many' }, db.url)).rejects.toMatchObject({ exitCode: 2 });
});
