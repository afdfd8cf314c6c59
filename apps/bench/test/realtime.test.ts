import { describe } from '@mobvibe/cli';
import { expect, inject, test } from 'vitest';
import { createTestDatabase } from '../../../test/harness/database.ts';
import { realtimeBenchmark } from '../src/realtime/benchmark.ts';

test('measures each audience, every phone of it for every event', async () => {
  const db = await createTestDatabase();
  try {
    const { rows, groups } = await realtimeBenchmark([1, 3]).run({
      server: { target: describe(db.url), admin: describe(inject('server').adminUrl) },
      rounds: 1,
      warmup: 0,
      quick: true,
      signal: new AbortController().signal,
    });
    const [latency, burst] = groups;
    expect(latency?.contenders.map(({ name, samples }) => [name, samples])).toEqual([
      ['1 subscriber', 20],
      ['3 subscribers', 60],
    ]);
    expect(burst?.contenders.every(({ samples, p50 }) => samples === 2 && p50 > 0)).toBe(true);
    const stored = await db.sql.query(
      'select count(*)::int as all, count(distinct (session_id, seq))::int as distinct from public.session_events',
    );
    // A burst of warm-up, and two that count.
    expect(stored.rows).toEqual([{ all: rows.session_events, distinct: 2 * (20 + 3 * 1_000) }]);
  } finally {
    await db.drop();
  }
}, 120_000);

test('serves the API itself, and therefore needs a server of its own', async () => {
  const db = await createTestDatabase();
  try {
    const run = realtimeBenchmark([1]).run({
      server: { target: describe(db.url) },
      rounds: 1,
      warmup: 0,
      quick: true,
      signal: new AbortController().signal,
    });
    await expect(run).rejects.toMatchObject({ fix: 'leave DATABASE_URL out' });
  } finally {
    await db.drop();
  }
});
