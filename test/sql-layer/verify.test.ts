import { applyInTransaction, readSqlFiles, verifyLayer } from '@mobvibe/rls-sql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());
beforeEach(() => db.sql.query('begin'));
afterEach(() => db.sql.query('rollback'));

test('finds nothing on a migrated database', async () => {
  expect(await verifyLayer(db.sql)).toEqual([]);
});

describe('a change made by hand', () => {
  const changes: [string, string, string][] = [
    [
      'policy "Users read their own projects" on public.projects',
      'alter policy "Users read their own projects" on public.projects using (true)',
      '40_tables/public.projects.sql',
    ],
    [
      'grants public.projects',
      'grant delete on public.projects to authenticated',
      '40_tables/public.projects.sql',
    ],
    [
      'grants public.profiles',
      'grant update (tier) on public.profiles to authenticated',
      '40_tables/public.profiles.sql',
    ],
    ['grants schema private', 'grant usage on schema private to authenticated', '20_schemas/private.sql'],
    [
      'function public.events_since',
      'grant execute on function public.events_since to anon',
      '30_functions/events_since.sql',
    ],
    [
      'trigger projects_set_updated_at on public.projects',
      'alter table public.projects disable trigger projects_set_updated_at',
      '40_tables/public.projects.sql',
    ],
    [
      'grants public.projects',
      'alter table public.projects disable row level security',
      '40_tables/public.projects.sql',
    ],
  ];
  test.each(changes)('to %s is named and refused (%s)', async (object, change, path) => {
    await db.sql.query(change);
    const findings = await verifyLayer(db.sql);
    expect(findings[0]).toMatchObject({
      problem: `${object} was changed by hand: it is not what ${path} says`,
      fix: expect.stringMatching(/pnpm rls apply --repair .* pnpm rls doctor /),
    });
    await expect(applyInTransaction(db.sql)).rejects.toMatchObject({
      message: expect.stringContaining(`${object} was changed by hand`),
      fix: expect.stringContaining('pnpm rls doctor'),
    });
  });
});

describe('what no file declares', () => {
  const violations: [string, string, RegExp, RegExp][] = [
    [
      'a stray policy',
      'create policy "All" on public.projects for all to public using (true)',
      /policy "All" on public\.projects is declared by no file/,
      /sql\/40_tables/,
    ],
    [
      'a stray function',
      'create function public.f() returns int language sql as $$ select 1 $$',
      /function public\.f is declared by no file/,
      /30_functions/,
    ],
    [
      'a stray trigger',
      'create trigger t before insert on public.projects for each row execute function private.set_updated_at()',
      /trigger t on public\.projects is declared by no file/,
      /40_tables/,
    ],
    [
      'a table that no file knows',
      'create table public.notes (id int)',
      /exposed table public\.notes has no policies and grants/,
      /write packages\/rls-sql\/sql\/40_tables\/public\.notes\.sql/,
    ],
    [
      'an open partition',
      'grant select on partitions.session_events_default to authenticated',
      /partitions\.session_events_default is granted/,
      /revoke all on table partitions\.session_events_default/,
    ],
  ];
  test.each(violations)('finds %s', async (_, sql, problem, fix) => {
    await db.sql.query(sql);
    expect(await verifyLayer(db.sql)).toContainEqual(
      expect.objectContaining({ problem: expect.stringMatching(problem), fix: expect.stringMatching(fix) }),
    );
    await expect(applyInTransaction(db.sql)).rejects.toMatchObject({
      message: expect.stringMatching(problem),
    });
  });

  test('is left alone where it is a policy of others on a table of the platform', async () => {
    await db.sql.query('create policy "Theirs" on storage.objects for select to authenticated using (false)');
    await applyInTransaction(db.sql);
    expect(await verifyLayer(db.sql)).toEqual([]);
    const { rows } = await db.sql.query("select from pg_policy where polname = 'Theirs'");
    expect(rows).toHaveLength(1);
  });
});

test('says that a file is not in force', async () => {
  const path = '40_tables/zzz.sql';
  const file = { path, sql: 'select 1', checksum: path, requires: [], downSql: null, eachApply: false };
  expect(await verifyLayer(db.sql, [...readSqlFiles(), file])).toEqual([
    { object: path, problem: `${path} is not in force`, fix: 'pnpm turbo migrate' },
  ]);
});
