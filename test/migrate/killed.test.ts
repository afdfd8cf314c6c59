import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { repositoryRoot } from '@mobvibe/cli';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dumpCatalog } from '../harness/catalog.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createTestDatabase('platform');
});
afterEach(() => db.drop());

const walk = [
  ['packages/db/src/commands/cli.ts', 'deploy'],
  ['packages/rls-sql/src/cli.ts', 'apply'],
];

/** What `pnpm turbo migrate` does on a given database; SIGKILL to its whole process group after a while. */
async function migrate(killAfterMs?: number): Promise<'killed' | number | null> {
  const deadline = killAfterMs === undefined ? undefined : performance.now() + killAfterMs;
  for (const [file = '', command = ''] of walk) {
    const child = spawn(process.execPath, ['--import', 'tsx', file, command], {
      cwd: repositoryRoot,
      env: { ...process.env, DATABASE_URL: db.url, DIRECT_URL: '' },
      detached: true,
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    const left = deadline === undefined ? undefined : Math.max(0, deadline - performance.now());
    const cut = new AbortController();
    const result = await Promise.race([
      ended.then(([code]) => code as number | null),
      ...(left === undefined
        ? []
        : [sleep(left, 'killed' as const, { signal: cut.signal }).catch(() => null)]),
    ]);
    if (result === 'killed') {
      process.kill(-(child.pid as number), 'SIGKILL');
      await ended;
      return result;
    }
    cut.abort();
    if (result !== 0) return result;
  }
  return 0;
}

/** Tables that a signed-in stranger, or nobody at all, gets a row of. */
async function open(): Promise<string[]> {
  const { rows: tables } = await db.sql.query(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname in ('public', 'private', 'partitions', 'rls_sql')`,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    for (const role of ['anon', 'authenticated']) {
      await db.sql.query('begin');
      await db.sql.query("select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)", [
        role,
        JSON.stringify({ sub: '00000000-0000-4000-8000-000000000000', role }),
      ]);
      const seen = await db.sql.query(`select from ${name} limit 1`).catch(() => ({ rowCount: 0 }));
      await db.sql.query('rollback');
      if (seen.rowCount) found.push(`${role} reads ${name}`);
    }
  }
  return found;
}

test('killed at any moment, migrate opens nothing, and ends right when it is run again', async () => {
  const user = await db.createUser({ profile: false });
  const moments = [300, 700, 1000, 1300, 1600, 2000, 2400, 2800, 700, 900];
  const results: unknown[] = [];
  for (const moment of moments) {
    results.push(await migrate(moment));
    // A row that a stranger could see, as soon as there is a table for it.
    await db.sql.query(
      "do $$ begin if to_regclass('public.profiles') is not null then insert into public.profiles (id) select id from auth.users on conflict do nothing; end if; end $$",
    );
    expect(await open()).toEqual([]);
  }
  expect(results).toContain('killed');
  expect(await migrate()).toBe(0);
  expect(await open()).toEqual([]);
  const { rows } = await db.sql.query('select id from public.profiles');
  expect(rows).toEqual([{ id: user }]);

  const reference = await createTestDatabase();
  try {
    expect(await dumpCatalog(db.sql)).toEqual(await dumpCatalog(reference.sql));
  } finally {
    await reference.drop();
  }
}, 120_000);
