import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { repositoryRoot } from '@mobvibe/cli';
import {
  applyLayer,
  examineLayer,
  planLayer,
  planSql,
  readSqlFiles,
  repairSql,
  verifyLayer,
} from '@mobvibe/rls-sql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dumpCatalog } from '../harness/catalog.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let db: TestDatabase;
let migrated: string[];
beforeAll(async () => {
  db = await createTestDatabase();
  migrated = await dumpCatalog(db.sql);
});
afterAll(() => db.drop());

const files = readSqlFiles();

/** A command of the runner on the test database. */
function rls(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const cli = join(repositoryRoot, 'packages/rls-sql/src/cli.ts');
  const env = { ...process.env, DATABASE_URL: db.url, DIRECT_URL: db.url, NO_COLOR: '1' };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--import', 'tsx', cli, ...args],
      { cwd: repositoryRoot, env },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

describe('doctor', () => {
  test('finds nothing on a migrated database', async () => {
    expect(await examineLayer(db.sql)).toEqual([]);
    expect(repairSql([])).toBe('');
  });

  const drifts: [what: string, sql: string, object: string][] = [
    [
      'a policy changed',
      'alter policy "Users read their own projects" on public.projects using (true)',
      'policy "Users read their own projects" on public.projects',
    ],
    [
      'a policy dropped',
      'drop policy "Users update their own profile" on public.profiles',
      'policy "Users update their own profile" on public.profiles',
    ],
    [
      'a policy on a table of the platform changed',
      'alter policy "Users receive the topics of their own" on realtime.messages using (true)',
      'policy "Users receive the topics of their own" on realtime.messages',
    ],
    [
      'a stray policy',
      'create policy "All" on public.projects for all using (true)',
      'policy "All" on public.projects',
    ],
    [
      'a table granted to a role that the file names',
      'grant delete, truncate on public.projects to authenticated with grant option',
      'grants public.projects',
    ],
    ['a column granted', 'grant update (tier) on public.profiles to authenticated', 'grants public.profiles'],
    [
      'a table and a column granted to a role that the file does not name',
      'grant delete, select (name) on public.projects to pg_monitor',
      'grants public.projects',
    ],
    [
      'a grant revoked',
      'revoke all on public.session_events from authenticated',
      'grants public.session_events',
    ],
    [
      'row-level security off',
      'alter table public.projects disable row level security',
      'grants public.projects',
    ],
    [
      'row-level security forced',
      'alter table public.projects force row level security',
      'grants public.projects',
    ],
    [
      'a private schema opened',
      'grant usage on schema private to authenticated, pg_monitor',
      'grants schema private',
    ],
    [
      'the grants of schema public changed',
      'revoke usage on schema public from mobvibe_app; grant create on schema public to anon',
      'grants schema public',
    ],
    [
      'a function changed',
      'alter function public.events_since(uuid, bigint, integer) security definer reset search_path',
      'function public.events_since',
    ],
    [
      'a function granted to a role that the file does not name',
      'grant execute on function public.events_since to mobvibe_app; grant execute on function private.claim_jobs to anon',
      'function public.events_since',
    ],
    [
      'a function with another signature beside it',
      `create function public.events_since(p int) returns int language sql set search_path = '', pg_temp as 'select 1'`,
      'function public.events_since',
    ],
    [
      'a function with another return type',
      `drop function public.events_since(uuid, bigint, integer);
       create function public.events_since(p_session_id uuid, p_seq bigint default 0, p_limit integer default 500)
         returns int language sql set search_path = '', pg_temp as 'select 1'`,
      'function public.events_since',
    ],
    [
      'a function dropped',
      'drop function public.events_since(uuid, bigint, integer)',
      'function public.events_since',
    ],
    [
      'a function dropped with its triggers',
      'drop function private.set_updated_at() cascade',
      'trigger projects_set_updated_at on public.projects',
    ],
    [
      'a stray function',
      `create function public.f() returns int language sql as 'select 1'`,
      'function public.f',
    ],
    [
      'a trigger disabled',
      'alter table public.projects disable trigger projects_set_updated_at',
      'trigger projects_set_updated_at on public.projects',
    ],
    [
      'a trigger changed',
      `create or replace trigger coding_jobs_notify_workers after update on public.coding_jobs
         for each statement execute function private.notify_workers()`,
      'trigger coding_jobs_notify_workers on public.coding_jobs',
    ],
    [
      'a stray trigger, and the stray function that it calls',
      `create function private.t() returns trigger language plpgsql as 'begin return new; end';
       create trigger t before insert on public.projects for each row execute function private.t()`,
      'function private.t',
    ],
    [
      'an open partition without row-level security',
      `grant select on partitions.session_events_default to authenticated;
       alter table partitions.session_events_default disable row level security`,
      'partitions.session_events_default',
    ],
    [
      'the history of migrations opened',
      'alter table public._prisma_migrations disable row level security; grant all on public._prisma_migrations to anon',
      'grants public._prisma_migrations',
    ],
  ];
  test.each(drifts)('names %s, and its SQL puts it right', async (_, sql, object) => {
    await db.sql.query(sql);
    try {
      const found = await examineLayer(db.sql);
      expect(found.map((drift) => drift.object)).toContain(object);
      await db.sql.query(repairSql(found));
      expect(await verifyLayer(db.sql)).toEqual([]);
      expect(await dumpCatalog(db.sql)).toEqual(migrated);
    } finally {
      await db.sql.query('rollback');
    }
  });

  // Roles belong to the server, so this one is never committed.
  test('names a role changed, and its SQL puts it right', async () => {
    await db.sql.query('begin');
    try {
      await db.sql.query(
        `alter role mobvibe_app inherit bypassrls; alter role mobvibe_app set work_mem = '1MB';
         alter role mobvibe_app set statement_timeout = 0; grant service_role to mobvibe_app`,
      );
      const found = await examineLayer(db.sql);
      expect(found.map((drift) => drift.object)).toEqual(['role mobvibe_app']);
      expect(found[0]?.diff).toContain('+member of service_role inherit set');
      await db.sql.query(found.flatMap((drift) => drift.sql).join(';\n'));
      expect(await examineLayer(db.sql)).toEqual([]);
    } finally {
      await db.sql.query('rollback');
    }
  });

  test('shows what was recorded and what is there now', async () => {
    await db.sql.query('begin; grant delete on public.projects to authenticated');
    try {
      const [drift] = await examineLayer(db.sql);
      expect(drift?.diff.filter((line) => /^[+-]/.test(line))).toEqual(['+table DELETE to authenticated']);
    } finally {
      await db.sql.query('rollback');
    }
  });

  test('closes a table that no file knows, and drops no data', async () => {
    await db.sql.query('begin; create table public.notes (id int)');
    try {
      const found = await examineLayer(db.sql);
      const sql = found.flatMap((drift) => drift.sql).join('\n');
      expect(sql).toContain('alter table public.notes enable row level security;');
      expect(sql).not.toContain('drop');
      await db.sql.query(sql);
      expect((await examineLayer(db.sql)).map((drift) => drift.advice)).toEqual([
        expect.stringContaining('write packages/rls-sql/sql/40_tables/public.notes.sql'),
      ]);
    } finally {
      await db.sql.query('rollback');
    }
  });

  test('leaves files that wait to be applied to migrate', async () => {
    const edited = files.map((file) =>
      file.path.includes('projects') ? { ...file, checksum: 'edited' } : file,
    );
    expect(await examineLayer(db.sql, edited)).toContainEqual({
      object: '40_tables/public.projects.sql',
      problem: '40_tables/public.projects.sql is not in force as it stands',
      diff: [],
      sql: [],
      advice: 'pnpm turbo migrate',
    });
  });

  test('prints SQL alone on stdout, says the rest on stderr, and exits 1', async () => {
    await db.sql.query('alter policy "Users read their own projects" on public.projects using (true)');
    const { code, stdout, stderr } = await rls('doctor');
    expect(code).toBe(1);
    expect(stderr).toContain(
      '✗ policy "Users read their own projects" on public.projects was changed by hand',
    );
    expect(stderr).toContain('+using (true)');
    await db.sql.query(stdout);
    expect(await dumpCatalog(db.sql)).toEqual(migrated);
    expect(await rls('doctor')).toMatchObject({ code: 0, stdout: '' });
  });
});

describe('plan', () => {
  const path = '40_tables/public.projects.sql';
  const without = files.map((file) =>
    file.path === path
      ? {
          ...file,
          sql: file.sql.replace(/create policy "Users update[^;]+;\ncomment on policy[^;]+;/, ''),
          checksum: 'edited',
        }
      : file,
  );

  test('has nothing to do on a migrated database, and says so', async () => {
    expect(await planLayer(db.sql)).toEqual({ steps: [], waiting: [], refused: [] });
    expect(await rls('plan')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringContaining('nothing to do'),
    });
  });

  test('shows what a changed file drops and runs, and changes nothing', async () => {
    const plan = await planLayer(db.sql, without);
    expect(plan.steps).toEqual([
      {
        action: 'drop',
        path,
        why: 'the file no longer declares policy "Users update their own projects" on public.projects',
        sql: 'drop policy "Users update their own projects" on public.projects;',
      },
      {
        action: 'run',
        path,
        why: 'the file changed since it was applied',
        sql: expect.stringContaining('create policy'),
      },
    ]);
    expect(planSql(plan)).toContain(`-- run ${path}: the file changed since it was applied\n`);
    expect(await dumpCatalog(db.sql)).toEqual(migrated);
  });

  test('shows a file that is gone with its objects and what takes the rest back', async () => {
    const rest = files.filter((file) => file.path !== '50_platform/storage.objects.sql');
    const { steps } = await planLayer(db.sql, rest);
    expect(steps.map((step) => step.action)).toEqual(['drop', 'drop', 'drop', 'drop', 'take back']);
    expect(steps.at(-1)?.sql).toContain('delete from storage.buckets');
  });

  test('says why a file runs again, and that apply refuses a change made by hand', async () => {
    await db.sql.query(
      'begin; drop function public.events_since(uuid, bigint, integer); grant delete on public.projects to authenticated',
    );
    try {
      const { steps, refused } = await planLayer(db.sql);
      expect(steps.map(({ action, why }) => [action, why])).toEqual([
        ['run', 'function public.events_since of 30_functions/events_since.sql is gone from the database'],
        ['run', `grants public.projects was changed by hand: it is not what ${path} says`],
      ]);
      expect(refused).toEqual([
        { object: 'grants public.projects', path, fix: expect.stringContaining('pnpm rls doctor') },
      ]);
    } finally {
      await db.sql.query('rollback');
    }
  });

  test('locks nothing that anybody else wants', async () => {
    await db.sql.query('begin');
    try {
      await planLayer(db.sql, without);
      const { rows } = await db.sql.query('select distinct mode from pg_locks where pid = pg_backend_pid()');
      expect(rows.map((row) => row.mode).sort()).toEqual(['AccessShareLock', 'ExclusiveLock']);
      const { rows: exclusive } = await db.sql.query(
        "select distinct locktype from pg_locks where pid = pg_backend_pid() and mode = 'ExclusiveLock'",
      );
      // Every transaction's own number.
      expect(exclusive).toEqual([{ locktype: 'virtualxid' }]);
    } finally {
      await db.sql.query('rollback');
    }
  });

  test('is what apply then does', async () => {
    const { steps } = await planLayer(db.sql, without);
    const { applied } = await applyLayer(db.sql, { files: without });
    expect(applied).toEqual(steps.filter((step) => step.action === 'run').map((step) => step.path));
    expect((await planLayer(db.sql, without)).steps).toEqual([]);
    await applyLayer(db.sql);
  });
});
