import { describe as describeTarget, withConnection } from '@mobvibe/cli';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { adminUrlOf, createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { chart } from '../src/core/chart.ts';
import { resultSchema } from '../src/core/result.ts';
import { queriesBenchmark } from '../src/queries/benchmark.ts';
import { operations } from '../src/queries/operations.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createTestDatabase();
  // Copied as a template: nobody may be connected to it.
  await db.sql.end();
});
afterEach(() => db.drop());

test('measures every operation at every size, with its plan, and leaves no database behind', {
  timeout: 90_000,
}, async () => {
  const admin = describeTarget(adminUrlOf(db.url));
  const { groups } = await queriesBenchmark([2_000, 30_000]).run({
    server: { target: describeTarget(db.url), admin },
    rounds: 1,
    warmup: 0,
    quick: false,
    signal: new AbortController().signal,
  });

  expect(groups.map(({ title }) => title)).toEqual(operations.map(({ name }) => name));
  for (const { title, contenders, checks } of groups) {
    expect(contenders.map(({ name, size }) => [name, size])).toEqual([
      ['2,000 events', 2_000],
      ['30,000 events', 30_000],
    ]);
    for (const { p50, buffers, samples } of contenders) {
      expect(
        [p50, buffers].every((figure) => Number(figure) > 0),
        title,
      ).toBe(true);
      expect(samples).toBe(20);
    }
    expect(checks.length, title).toBeGreaterThan(0);
    expect(resultSchema.shape.groups.safeParse(groups).success).toBe(true);
  }
  const plans = Object.fromEntries(groups.map(({ title, contenders }) => [title, contenders[1]?.plan]));
  expect(plans['active sessions']).toContain('coding_sessions_open_idx');
  // What a function asks is seen as well.
  expect(plans.events_since).toMatch(/session_events_\*_pkey/);
  expect(plans['claim_jobs, 10 at once']).toContain('coding_jobs_claim_idx');
  expect(chart({ benchmark: 'queries', groups })).toContain('<title>Benchmark queries');

  const left = await withConnection(admin, (client) =>
    client.query(`select datname from pg_database where datname like 'bench%'`),
  );
  expect(left.rows).toEqual([]);
});
