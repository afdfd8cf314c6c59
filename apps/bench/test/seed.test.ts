import { describe } from '@mobvibe/cli';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../test/harness/database.ts';
import { seedBenchmark } from '../src/seed/benchmark.ts';

test('writes the same rows each way, and leaves nothing of them on a database that somebody named', async () => {
  const db = await createTestDatabase();
  try {
    const owner = await db.createUser();
    const { rows, groups } = await seedBenchmark({ users: 5, sessions: 20, events: 100 }).run({
      server: { target: describe(db.url) },
      rounds: 1,
      warmup: 0,
      quick: true,
      signal: new AbortController().signal,
    });
    expect(rows).toMatchObject({ users: 5, profiles: 5, coding_sessions: 20, session_events: 100 });
    expect(groups.map(({ contenders }) => contenders.map(({ samples }) => samples))).toEqual([
      [1, 1, 1, 1],
      [1],
    ]);
    const { rows: left } = await db.sql.query('select id from auth.users');
    expect(left).toEqual([{ id: owner }]);
    const { rows: schemas } = await db.sql.query("select from pg_namespace where nspname = 'bench_copy'");
    expect(schemas).toEqual([]);
  } finally {
    await db.drop();
  }
}, 120_000);
