import { randomUUID } from 'node:crypto';
import pg, { escapeLiteral } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { become, forgedClaims, logIn } from './actors.ts';

const DENIED = '42501';

// `test.fails` is a hole that is known and open: closing it turns the test red, and then `.fails` goes.

/** All that an attacker gets to see of what was tried. */
interface Answer {
  code: string;
  message?: string;
  detail?: string | undefined;
  hint?: string | undefined;
  rowCount?: number | null;
  rows: Record<string, unknown>[];
  notices: string[];
}

let db: TestDatabase;
let app: pg.Client;
let worker: pg.Client;
let service: pg.Client;
let alice: string;
let bob: string;
const hers = { project: randomUUID(), session: randomUUID(), job: randomUUID(), ended: randomUUID() };
const his = { project: randomUUID(), session: randomUUID(), job: randomUUID(), other: randomUUID() };
const nowhere = randomUUID();

beforeAll(async () => {
  db = await createTestDatabase();
  alice = await db.createUser({ tier: 'pro', email: 'alice-secret@example.com' });
  bob = await db.createUser({ tier: 'pro' });
  for (const [user, ids] of [
    [alice, hers],
    [bob, his],
  ] as const) {
    await db.asUser(user, async (client) => {
      await client.query("insert into public.projects (id, name) values ($1, 'secret name')", [ids.project]);
      await client.query('insert into public.coding_sessions (id, project_id) values ($1, $2)', [
        ids.session,
        ids.project,
      ]);
      await client.query(
        "insert into public.coding_jobs (id, session_id, prompt, idempotency_key) values ($1, $2, 'secret prompt', 'key')",
        [ids.job, ids.session],
      );
      await client.query("insert into storage.objects (bucket_id, name) values ('project-files', $1)", [
        `${user}/p/s/secret.tsx`,
      ]);
    });
  }
  await db.asUser(alice, async (client) => {
    await client.query('insert into public.coding_sessions (id, project_id) values ($1, $2)', [
      hers.ended,
      hers.project,
    ]);
    await client.query("update public.coding_sessions set status = 'cancelled' where id = $1", [hers.ended]);
  });
  await db.asUser(bob, (client) =>
    client.query("insert into public.projects (id, name) values ($1, 'Another')", [his.other]),
  );
  await db.sql.query("select realtime.send('{\"secret\": true}', 'event', $1, true)", [
    `session:${hers.session}`,
  ]);
  [app, worker, service] = await Promise.all([
    logIn('mobvibe_app', db.url),
    logIn('mobvibe_worker', db.url),
    logIn('postgres', db.url),
  ]);
});
afterAll(async () => {
  await Promise.all([app, worker, service].map((client) => client.end()));
  await db.drop();
});

/** Runs `sql` after `preamble` on that connection, and takes everything back. */
async function attempt(client: pg.Client, preamble: string, sql: string): Promise<Answer> {
  const notices: string[] = [];
  const hear = (notice: { message?: string | undefined }) => notices.push(notice.message ?? '');
  await client.query(preamble);
  client.on('notice', hear);
  try {
    const answer: pg.QueryResult | pg.QueryResult[] = await client.query(sql);
    const result: pg.QueryResult = Array.isArray(answer) ? answer.at(-1) : answer;
    return { code: 'ok', rowCount: result.rowCount, rows: result.rows, notices };
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    const { code = '', message, detail, hint } = error;
    return { code, message, detail, hint, rows: [], notices };
  } finally {
    client.off('notice', hear);
    await client.query('rollback; reset all');
  }
}

const user = (id: string): string =>
  become({
    name: '',
    login: 'mobvibe_app',
    role: 'authenticated',
    claims: { sub: id, role: 'authenticated' },
  });
const asBob = (sql: string): Promise<Answer> => attempt(app, user(bob), sql);
const asAnon = (sql: string): Promise<Answer> =>
  attempt(app, become({ name: '', login: 'mobvibe_app', role: 'anon' }), sql);
const asApp = (sql: string): Promise<Answer> => attempt(app, 'begin', sql);
const asWorker = (sql: string): Promise<Answer> => attempt(worker, 'begin', sql);
const asService = (sql: string): Promise<Answer> =>
  attempt(service, become({ name: '', login: 'postgres', role: 'service_role' }), sql);
const logins = { bob: asBob, anon: asAnon, mobvibe_app: asApp, mobvibe_worker: asWorker };
/** What an error tells, with the ids that the attacker sent itself left out. */
const told = ({ code, message, detail, hint }: Answer): string =>
  JSON.stringify({ code, message, detail, hint }).replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '<id>');

describe('foreign rows', () => {
  test.each([
    ['a project’s owner', () => `update public.projects set user_id = '${alice}'`],
    ['a session’s owner', () => `update public.coding_sessions set user_id = '${alice}'`],
    ['a job’s owner', () => `update public.coding_jobs set user_id = '${alice}'`],
    ['a session’s project', () => `update public.coding_sessions set project_id = '${his.other}'`],
    ['a job’s session', () => `update public.coding_jobs set session_id = '${hers.session}'`],
    ['the tier', () => "update public.profiles set tier = 'enterprise'"],
    ['the count of jobs', () => 'update public.profiles set jobs_used = 0'],
    ['the count of tokens', () => 'update public.profiles set tokens_used = 0'],
    ['the billing period', () => "update public.profiles set usage_period_start = '2001-01-01'"],
    ['a job’s result', () => "update public.coding_jobs set result = '{}'"],
    ['a session’s storage prefix', () => `update public.coding_sessions set storage_prefix = '${alice}'`],
  ])('%s is not the user’s to change', async (_what, sql) => {
    expect(await asBob(sql())).toMatchObject({ code: DENIED });
  });

  test.each([
    [
      'cancelling a job',
      () => `update public.coding_jobs set cancel_requested_at = now() where id = '${hers.job}'`,
    ],
    [
      'cancelling a session',
      () => `update public.coding_sessions set status = 'cancelled' where id = '${hers.session}'`,
    ],
    [
      'deleting a project',
      () => `update public.projects set deleted_at = now() where id = '${hers.project}'`,
    ],
    ['renaming a user', () => `update public.profiles set display_name = 'x' where id = '${alice}'`],
    [
      'finding out by returning',
      () => `update public.projects set name = name where id = '${hers.project}' returning *`,
    ],
    [
      'an update from a join',
      () =>
        `update public.projects as p set name = o.name from public.projects as o where o.id = '${hers.project}'`,
    ],
    ['asking for events', () => `select * from public.events_since('${hers.session}', 0, 10)`],
    ['a lock', () => `select * from public.projects where id = '${hers.project}' for update`],
  ])('%s of somebody else finds no row', async (_what, sql) => {
    expect(await asBob(sql())).toMatchObject({ code: 'ok', rowCount: 0, rows: [] });
  });

  test.each([
    [
      'a session in a project',
      (id: string) => `insert into public.coding_sessions (project_id) values ('${id}')`,
      () => hers.project,
    ],
    [
      'a job in a session',
      (id: string) => `insert into public.coding_jobs (session_id, prompt) values ('${id}', 'x')`,
      () => hers.session,
    ],
    [
      'a job in an ended session',
      (id: string) => `insert into public.coding_jobs (session_id, prompt) values ('${id}', 'x')`,
      () => hers.ended,
    ],
  ])('%s of somebody else fails as if there were none', async (_what, sql, foreign) => {
    const answer = await asBob(sql(foreign()));
    expect(answer.code).toBe('23503');
    expect(told(answer)).toBe(told(await asBob(sql(nowhere))));
  });
});

// An id that is taken cannot be inserted: of that the error tells no more, and ids are 122 random bits or a time and 74.
describe('an id that is taken', () => {
  test.each([
    [
      'project',
      () => ({
        table: 'projects',
        columns: 'id, name',
        foreign: `'${hers.project}', 'x'`,
        own: `'${his.project}', 'x'`,
      }),
    ],
    [
      'session',
      () => ({
        table: 'coding_sessions',
        columns: 'id, project_id',
        foreign: `'${hers.session}', '${his.project}'`,
        own: `'${his.session}', '${his.project}'`,
      }),
    ],
    [
      'job',
      () => ({
        table: 'coding_jobs',
        columns: 'id, session_id, prompt',
        foreign: `'${hers.job}', '${his.session}', 'x'`,
        own: `'${his.job}', '${his.session}', 'x'`,
      }),
    ],
  ])('of a %s: one’s own and a foreign one fail alike, without detail', async (_what, of) => {
    const { table, columns, foreign, own } = of();
    const insert = `insert into public.${table} (${columns}) values`;
    const answer = await asBob(`${insert} (${foreign})`);
    expect(answer).toMatchObject({ code: '23505', detail: undefined });
    expect(told(answer)).toBe(told(await asBob(`${insert} (${own})`)));
    expect(answer.message).not.toMatch(/secret/);

    expect(await asBob(`${insert} (${foreign}) on conflict do nothing returning *`)).toMatchObject({
      code: 'ok',
      rows: [],
    });
  });

  test.each([
    [
      'project',
      () =>
        `insert into public.projects (id, name) values ('${hers.project}', 'x') on conflict (id) do update set name = 'mine'`,
    ],
    [
      'session',
      () =>
        `insert into public.coding_sessions (id, project_id) values ('${hers.session}', '${his.project}') on conflict (id) do update set status = 'cancelled'`,
    ],
    [
      'job',
      () =>
        `insert into public.coding_jobs (id, session_id, prompt) values ('${hers.job}', '${his.session}', 'x') on conflict (id) do update set cancel_requested_at = now()`,
    ],
  ])('an upsert onto a foreign %s is refused, and returns nothing of it', async (_what, sql) => {
    for (const returning of ['', ' returning *']) {
      const answer = await asBob(sql() + returning);
      expect(answer).toMatchObject({ code: DENIED, detail: undefined });
      expect(answer.message).not.toMatch(/secret/);
    }
  });

  test('merge sees own rows only', async () => {
    const answer =
      await asBob(`merge into public.projects as p using (values ('${hers.project}'::uuid)) as v (id) on p.id = v.id
      when matched then update set name = 'mine'`);
    expect(answer).toMatchObject({ code: 'ok', rowCount: 0 });
  });

  test('somebody else’s idempotency key is free', async () => {
    const answer = await asBob(
      `insert into public.coding_jobs (session_id, prompt, idempotency_key) select '${his.session}', 'x', 'key 2' from generate_series(1, 1) returning id`,
    );
    expect(answer).toMatchObject({ code: 'ok', rowCount: 1 });
    const carol = await db.createUser();
    const sql = `insert into public.projects (id, name) values ('${nowhere}', 'x');
      insert into public.coding_sessions (id, project_id) values ('${nowhere}', '${nowhere}');
      insert into public.coding_jobs (session_id, prompt, idempotency_key) values ('${nowhere}', 'x', 'key')`;
    expect(await attempt(app, user(carol), sql)).toMatchObject({ code: 'ok', rowCount: 1 });
  });
});

describe('what an error or a plan tells', () => {
  test('a row that breaks a check is not shown', async () => {
    const answer = await asBob(`update public.projects set name = '' where id = '${his.project}'`);
    expect(answer).toMatchObject({ code: '23514', detail: undefined });
  });
  test('a cast that fails is not tried on foreign rows', async () => {
    expect(await asBob("select name::int from public.projects where name = 'none of his'")).toMatchObject({
      code: 'ok',
    });
    const answer = await asBob(
      'select 1 / (case when user_id = auth.uid() then 1 else 0 end) from public.projects',
    );
    expect(answer).toMatchObject({ code: 'ok', rowCount: 2 });
  });
  test('a cheap function of the attacker’s is not run on foreign rows', async () => {
    const answer = await asBob(`do $$ begin
        create function pg_temp.leak(p_id uuid, p_name text) returns boolean cost 0.0000001 language plpgsql as
          'begin raise notice ''% %'', p_id, p_name; return true; end';
      exception when insufficient_privilege then null; end $$;
      do $$ begin
        perform from public.projects where pg_temp.leak(user_id, name);
      exception when undefined_function or invalid_schema_name then null; end $$`);
    expect(answer.code).toBe('ok');
    expect(answer.notices.join('\n')).not.toContain(alice);
  });
  test('statistics of the tables are not to be read', async () => {
    const sql = "select * from pg_stats where schemaname in ('public', 'private')";
    await db.sql.query('analyze public.projects');
    expect((await db.sql.query(sql)).rowCount).toBeGreaterThan(0);
    for (const run of [asBob, asAnon, asApp])
      expect(await run(sql)).toMatchObject({ code: 'ok', rowCount: 0 });
  });
  test('a plan shows no value of a foreign row', async () => {
    const { rows } = await asBob(
      'explain (analyze, verbose, costs off, timing off, summary off) select * from public.projects',
    );
    expect(JSON.stringify(rows)).not.toMatch(new RegExp(`secret|${alice}`));
  });
  test('statements of others are hidden', async () => {
    await db.sql.query("select 'a very secret statement'");
    for (const run of Object.values(logins)) {
      const activity = await run(
        'select query from pg_stat_activity where usename is distinct from current_user',
      );
      expect(JSON.stringify(activity.rows)).not.toMatch(/very secret/);
      const statements = await run('select query from extensions.pg_stat_statements');
      expect(JSON.stringify(statements.rows)).not.toMatch(/very secret/);
    }
  });
});

describe('roles', () => {
  test('the login of app teams becomes anon and authenticated, and no other', async () => {
    const { rows } = await db.sql.query<{ rolname: string }>(
      "select rolname from pg_roles where rolname not in ('anon', 'authenticated', 'mobvibe_app', 'pg_database_owner')",
    );
    expect(rows.length).toBeGreaterThan(10);
    for (const { rolname } of rows) {
      for (const before of ['begin', user(bob)]) {
        for (const sql of [
          `set role "${rolname}"`,
          `set local role "${rolname}"`,
          `set session authorization "${rolname}"`,
          `select set_config('role', '${rolname}', false)`,
          `select set_config('session_authorization', '${rolname}', true)`,
          `reset role; set role "${rolname}"`,
          `grant "${rolname}" to mobvibe_app`,
        ]) {
          expect(await attempt(app, before, sql), `${before.slice(0, 20)} ${sql}`).toMatchObject({
            code: DENIED,
          });
        }
      }
    }
  });
  test('the worker becomes no other role', async () => {
    const { rows } = await db.sql.query<{ rolname: string }>(
      "select rolname from pg_roles where rolname <> 'mobvibe_worker'",
    );
    for (const { rolname } of rows) {
      expect(await asWorker(`set role "${rolname}"`), rolname).toMatchObject({ code: DENIED });
    }
  });
  test.each([
    'reset role',
    'set role none',
    'reset session authorization',
    "select set_config('role', 'none', true)",
  ])('%s leads back to the login, which reads nothing', async (sql) => {
    expect(await asBob(`${sql}; select count(*) from public.projects`)).toMatchObject({ code: DENIED });
  });
  test('nobody gives themselves attributes or switches protection off', async () => {
    for (const sql of [
      'alter role mobvibe_app bypassrls',
      'alter role mobvibe_app superuser',
      'alter role authenticated bypassrls',
      'alter role authenticated inherit',
      "alter role service_role password 'x'",
      'create role attacker',
      'alter default privileges for role postgres grant all on tables to anon',
      'set session_replication_role = replica',
      'set log_statement = none',
      'alter table public.projects disable row level security',
      'alter policy "Users read their own projects" on public.projects using (true)',
    ]) {
      for (const [name, run] of Object.entries(logins)) {
        const answer = await run(sql);
        expect([DENIED], `${name}: ${sql} → ${told(answer)}`).toContain(answer.code);
      }
    }
  });
  test('what one may do is not for passing on', async () => {
    for (const right of ['select', 'all', 'insert (name)']) {
      const { rows } = await asBob(
        `grant ${right} on public.projects to anon, public; select has_any_column_privilege('anon', 'public.projects', 'select, insert, update') as has`,
      );
      expect(rows).toEqual([{ has: false }]);
    }
  });
  test('row_security = off is an error, not a way round', async () => {
    expect(await asBob('set local row_security = off; select * from public.projects')).toMatchObject({
      code: DENIED,
    });
  });
  test('forged claims do not change who the user is', async () => {
    const forged = become({
      name: '',
      login: 'mobvibe_app',
      role: 'authenticated',
      claims: forgedClaims(bob, alice),
    });
    const { rows } = await attempt(app, forged, 'select distinct user_id from public.projects');
    expect(rows).toEqual([{ user_id: bob }]);
    expect((await attempt(app, forged, 'select id from public.profiles')).rows).toEqual([{ id: bob }]);
  });
  test.each(['', '{}', 'null', '[]', '{"sub": null}', '{"sub": ""}', '{"sub": "x"}', 'no json'])(
    'claims %j see nothing',
    async (claims) => {
      const answer = await attempt(
        app,
        `begin; set local role authenticated; select set_config('request.jwt.claims', ${escapeLiteral(claims)}, true)`,
        'select * from public.projects',
      );
      expect(answer.rows).toEqual([]);
    },
  );
  // The claims are settings: whoever may send any SQL as mobvibe_app may be any user, and stays without the rights of
  // another role. The client keeps raw SQL to parameters; the database cannot tell one user's text from another's.
  test('text of SQL that changes the claims becomes a user, never a role', async () => {
    const answer = await asBob(
      `select set_config('request.jwt.claims', '{"sub":"${alice}","role":"service_role"}', true);
       update public.profiles set tier = 'enterprise'`,
    );
    expect(answer).toMatchObject({ code: DENIED });
  });
  test('a prepared statement and a cursor follow the role and the user', async () => {
    const claims = (id: string) =>
      `set local role authenticated; select set_config('request.jwt.claims', '{"sub":"${id}"}', true)`;
    const first = await attempt(
      app,
      `begin; ${claims(alice)}`,
      'prepare peek as select distinct user_id from public.projects; execute peek',
    );
    expect(first.rows).toEqual([{ user_id: alice }]);
    expect((await attempt(app, user(bob), 'execute peek')).rows).toEqual([{ user_id: bob }]);
    expect(await asApp('execute peek')).toMatchObject({ code: DENIED });
    expect(await asAnon('execute peek')).toMatchObject({ code: DENIED });
    await app.query('deallocate peek');
    expect(
      (
        await attempt(
          app,
          'begin',
          `${claims(alice)}; declare peek cursor for select * from public.projects; rollback; begin; fetch all from peek`,
        )
      ).code,
    ).toBe('34000');
  });
});

describe('ways out of the tables', () => {
  test.each([
    "copy public.projects to '/tmp/attack'",
    "copy public.projects from '/etc/passwd'",
    "copy (select 1) to program 'id'",
    "copy public.projects from program 'id'",
    "select pg_read_file('PG_VERSION')",
    "select pg_read_binary_file('PG_VERSION')",
    "select pg_ls_dir('.')",
    "select pg_stat_file('PG_VERSION')",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/attack')",
    'create extension dblink',
    'create extension postgres_fdw',
    'create server attack foreign data wrapper postgres_fdw',
    'create foreign data wrapper attack',
    "create subscription attack connection '' publication supabase_realtime",
    'create publication attack',
    'create publication attack for all tables',
    'alter publication supabase_realtime add table public.projects',
    "select pg_create_logical_replication_slot('attack', 'pgoutput')",
    'alter system set log_statement = none',
    'create schema attack',
    'create table public.attack (id int)',
    'create table private.attack (id int)',
    'create table extensions.attack (id int)',
    'create view public.attack as select 1',
    'create materialized view public.attack as select 1',
    'create type public.attack as enum ()',
    'create sequence public.attack',
    "create function public.attack() returns int language sql as 'select 1'",
    "create or replace function auth.uid() returns uuid language sql as 'select null::uuid'",
    "create function extensions.attack() returns int language sql as 'select 1'",
    'create language plpython3u',
    'create event trigger attack on ddl_command_end execute function private.set_updated_at()',
    'create or replace trigger users_create_profile after insert on auth.users for each row execute function suppress_redundant_updates_trigger()',
    'create database attack',
    'create operator public.= (leftarg = uuid, rightarg = uuid, function = uuid_eq)',
    'alter function public.events_since(uuid, bigint, integer) security definer',
    'select * from pg_authid',
    'select * from pg_shadow',
    'select * from pg_hba_file_rules',
    'select * from pg_file_settings',
    'select pg_reload_conf()',
    'select * from auth.users',
    'select * from auth.identities',
    'select * from auth.sessions',
    'select * from auth.refresh_tokens',
    "update auth.users set email = 'x'",
    'alter table auth.users disable row level security',
    'vacuum full pg_authid',
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'postgres'",
  ])('%s is refused', async (sql) => {
    for (const [name, run] of Object.entries({ ...logins, service_role: asService })) {
      const answer = await run(sql);
      // 25001, 0A000 and 42704: not possible at all here, whoever asks.
      expect([DENIED, '25001', '0A000', '42704', '42P01'], `${name}: ${told(answer)}`).toContain(answer.code);
    }
  });

  // pg_temp is searched for tables and types before pg_catalog, unless the function's search_path puts it last. On a
  // connection of its own: a function keeps the types that it found when it first ran.
  test.each([
    [
      'mobvibe_app',
      'record',
      'create type pg_temp.record as (a pg_temp.trap, b pg_temp.trap, c pg_temp.trap)',
      (): string =>
        `insert into public.coding_sessions (project_id) select '${his.project}' from generate_series(1, 30)`,
    ],
    [
      'mobvibe_worker',
      'uuid',
      'create domain pg_temp.uuid as pg_catalog.uuid check (pg_temp.spring(null))',
      (): string => "select private.claim_jobs('attack', 1, '1 minute')",
    ],
  ] as const)(
    '%s gets no code of its own run as the owner of a function, by a temporary type %s',
    async (login, _type, shadow, sql) => {
      const client = await logIn(login, db.url);
      try {
        const answer = await attempt(
          client,
          `${login === 'mobvibe_app' ? user(bob) : 'begin'}; do $shadow$ begin
          create function pg_temp.spring(p pg_catalog.text) returns pg_catalog.bool language plpgsql as $spring$
            begin raise warning 'ran as %', current_user; return true; end $spring$;
          create domain pg_temp.trap as pg_catalog.text check (pg_temp.spring(value));
          ${shadow};
        exception when insufficient_privilege then null; end $shadow$`,
          sql(),
        );
        expect(answer.notices).not.toContain('ran as postgres');
      } finally {
        await client.end();
      }
    },
  );
  test('a search path and temporary tables change no limit', async () => {
    const answer = await asBob(`do $$ begin
        create temp table profiles (id uuid, tier text, jobs_used int);
        create temp table tier_limits (tier text, max_active_sessions int);
        create temp table coding_sessions (id uuid);
      exception when insufficient_privilege then null; end $$;
      set local search_path = pg_temp, public;
      insert into public.coding_sessions (project_id) select '${his.project}' from generate_series(1, 30)`);
    expect(answer).toMatchObject({ code: 'MV003' });
  });
});

describe('storage.objects', () => {
  const upload = (name: string, bucket = 'project-files'): Promise<Answer> =>
    asBob(
      `insert into storage.objects (bucket_id, name) values (${escapeLiteral(bucket)}, ${escapeLiteral(name)})`,
    );

  test('takes a file in the own folder', async () => {
    expect(await upload(`${bob}/p/s/App.tsx`)).toMatchObject({ code: 'ok', rowCount: 1 });
  });
  test.each([
    ['a foreign folder', () => `${alice}/x`],
    ['a foreign file', () => `${alice}/p/s/secret.tsx`],
    ['no folder', () => 'x'],
    ['an empty folder', () => '/x'],
    ['an empty folder before the own', () => `/${bob}/x`],
    ['only the own id', () => bob],
    ['a way up', () => `../${bob}/x`],
    ['a way up out of nothing', () => `./${alice}/x`],
    ['the own id in capitals', () => `${bob.toUpperCase()}/x`],
    ['the own id and more', () => `${bob}x/y`],
    ['the own id with a blank', () => ` ${bob}/y`],
    ['a backslash', () => `${bob}\\..\\${alice}/y`],
    ['another user’s folder under a public one', () => `public/${bob}/y`],
  ])('refuses %s', async (_what, name) => {
    expect(await upload(name())).toMatchObject({ code: DENIED });
  });
  test.each([
    ['a way up from the own folder', () => `${bob}/../${alice}/x`],
    ['a way up at the end', () => `${bob}/p/..`],
    ['a way nowhere', () => `${bob}/./x`],
    ['an empty folder within', () => `${bob}//x`],
  ])('refuses %s', async (_what, name) => {
    expect(await upload(name())).toMatchObject({ code: DENIED });
  });
  test('refuses another bucket', async () => {
    await db.sql.query(
      "insert into storage.buckets (id, name) values ('other', 'other') on conflict do nothing",
    );
    expect(await upload(`${bob}/x`, 'other')).toMatchObject({ code: DENIED });
  });
  test('a foreign file is not seen, moved, taken over or deleted', async () => {
    expect((await asBob('select name from storage.objects')).rows).toEqual([
      { name: `${bob}/p/s/secret.tsx` },
    ]);
    for (const sql of [
      `update storage.objects set name = '${alice}/p/s/moved.tsx'`,
      `update storage.objects set bucket_id = 'other'`,
      `insert into storage.objects (bucket_id, name) values ('project-files', '${alice}/p/s/secret.tsx') on conflict (bucket_id, name) do update set name = '${bob}/stolen'`,
    ]) {
      expect(await asBob(sql), sql).toMatchObject({ code: DENIED });
    }
    expect(
      await asBob(`update storage.objects set name = '${bob}/stolen' where name like '${alice}%'`),
    ).toMatchObject({ rowCount: 0 });
    const deletion = await asBob(
      `set local storage.allow_delete_query = 'true'; delete from storage.objects where name like '${alice}%'`,
    );
    expect(deletion).toMatchObject({ code: 'ok', rowCount: 0 });
  });
  test('anon reaches no file, and nobody a bucket', async () => {
    expect((await asAnon('select * from storage.objects')).rows).toEqual([]);
    expect(
      await asAnon(`insert into storage.objects (bucket_id, name) values ('project-files', '${alice}/x')`),
    ).toMatchObject({ code: DENIED });
    expect((await asBob('select * from storage.buckets')).rows).toEqual([]);
    expect(
      (await asBob("update storage.buckets set public = true where id = 'project-files'")).rowCount,
    ).toBe(0);
    expect(await asBob("insert into storage.buckets (id, name) values ('mine', 'mine')")).toMatchObject({
      code: DENIED,
    });
  });
  // The platform grants all of both tables to anon and authenticated, truncate and trigger included, and its grants are
  // not postgres's to revoke. 0A000: a table of ours refers to it.
  test.fails.each([
    'truncate storage.objects',
    'truncate storage.objects cascade',
    'truncate storage.buckets cascade',
  ])('%s is refused', async (sql) => {
    for (const run of [asBob, asAnon, asApp, asWorker]) {
      expect([DENIED, '0A000']).toContain((await run(sql)).code);
    }
  });
  test('a trigger of the attacker’s is refused', async () => {
    const sql = `create function pg_temp.steal() returns trigger language plpgsql as 'begin return new; end';
      create trigger steal before insert on storage.objects for each row execute function pg_temp.steal()`;
    for (const run of [asBob, asAnon]) expect(await run(sql)).toMatchObject({ code: DENIED });
  });
});

describe('realtime.messages', () => {
  test('of a foreign topic are not received, whatever topic was joined', async () => {
    for (const topic of [
      `session:${hers.session}`,
      `user:${alice}`,
      '',
      'user:',
      `user:${bob}`,
      `session:${his.session}`,
    ]) {
      const answer = await asBob(
        `select set_config('realtime.topic', '${topic}', true); select topic from realtime.messages`,
      );
      const foreign = answer.rows.filter(
        (row) => ![`user:${bob}`, `session:${his.session}`].includes(String(row.topic)),
      );
      expect(foreign, topic).toEqual([]);
    }
  });
  test('are not sent, to foreign topics or own ones', async () => {
    for (const topic of [
      `session:${hers.session}`,
      `user:${alice}`,
      `user:${bob}`,
      `session:${his.session}`,
    ]) {
      const insert = `select set_config('realtime.topic', '${topic}', true);
        insert into realtime.messages (topic, extension, private) values ('${topic}', 'broadcast', true)`;
      for (const run of [asBob, asAnon]) {
        expect(await run(insert)).toMatchObject({ code: DENIED });
        expect(await run(`update realtime.messages set payload = '{}'`)).toMatchObject({ rowCount: 0 });
        const { notices } = await run(`select realtime.send('{}', 'attack', '${topic}', true)`);
        expect(notices.join()).toMatch(/row-level security/);
      }
    }
  });
  test('are out of reach by the name of a partition', async () => {
    const { rows } = await db.sql.query(
      "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'realtime.messages'::regclass",
    );
    for (const { name } of rows) {
      const answer = await asBob(
        `select set_config('realtime.topic', 'user:${bob}', true); select * from ${name}`,
      );
      expect(answer.rows, name).toEqual([]);
    }
  });
});
