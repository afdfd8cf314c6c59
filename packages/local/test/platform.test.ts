import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  bootstrapPlatform,
  createDatabase,
  makeRealtimePartitions,
  type Server,
  startServer,
} from '../src/index.ts';

let server: Server;
let admin: pg.Client;
let postgres: pg.Client;

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  await client.connect();
  return client;
}

beforeAll(async () => {
  server = await startServer({ durable: false });
  admin = await connect(server.adminUrl);
  postgres = await connect(server.url);
});

afterAll(async () => {
  await admin?.end();
  await postgres?.end();
  await server?.stop();
});

// Every test runs as postgres, in a transaction that never happened.
beforeEach(() => postgres.query('begin'));
afterEach(() => postgres.query('rollback'));

async function value(sql: string, parameters: unknown[] = [], client = postgres): Promise<unknown> {
  const { rows } = await client.query({ text: sql, values: parameters, rowMode: 'array' });
  return rows[0]?.[0];
}

/** What a statement fails with, as postgres; the transaction goes on. */
async function failure(sql: string): Promise<string> {
  await postgres.query('savepoint before');
  try {
    await postgres.query(sql);
  } catch (error) {
    await postgres.query('rollback to before');
    return (error as pg.DatabaseError).code ?? String(error);
  }
  return 'none';
}

const warnings = async (task: () => Promise<unknown>): Promise<string[]> => {
  const heard: string[] = [];
  const hear = ({ message }: { message?: string | undefined }) => void heard.push(message ?? '');
  postgres.on('notice', hear);
  await task();
  postgres.off('notice', hear);
  return heard;
};

const as = (role: string) => postgres.query(`set local role ${role}`);
const claims = (content: object) =>
  postgres.query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify(content)]);

const ALICE = '00000000-0000-4000-8000-00000000000a';
const BOB = '00000000-0000-4000-8000-00000000000b';
const addUser = (id: string, email: string | null = null) =>
  postgres.query('insert into auth.users (id, email) values ($1, $2)', [id, email]);

describe('roles', () => {
  test('have the attributes and settings of the platform', async () => {
    const { rows } = await admin.query(`
      select
        rolname as role,
        concat_ws(' ',
          case when rolsuper then 'superuser' end,
          case when rolcanlogin then 'login' end,
          case when rolinherit then 'inherit' end,
          case when rolcreatedb then 'createdb' end,
          case when rolreplication then 'replication' end,
          case when rolbypassrls then 'bypassrls' end
        ) as attributes,
        coalesce(array_to_string(rolconfig, '; '), '') as settings
      from pg_roles
      where rolname !~ '^pg_'
      order by rolname
    `);
    expect(rows.map(({ role, attributes, settings }) => [role, attributes, settings])).toEqual([
      ['anon', 'inherit', 'statement_timeout=3s'],
      ['authenticated', 'inherit', 'statement_timeout=8s'],
      ['authenticator', 'login', 'statement_timeout=8s; lock_timeout=8s'],
      ['postgres', 'login inherit createdb replication bypassrls', 'search_path="$user", public, extensions'],
      ['service_role', 'inherit bypassrls', ''],
      [
        'supabase_admin',
        'superuser login inherit createdb replication bypassrls',
        'search_path="$user", public, auth, extensions',
      ],
      ['supabase_auth_admin', 'login', 'search_path=auth'],
      ['supabase_realtime_admin', '', 'search_path=realtime'],
      ['supabase_storage_admin', 'login', 'search_path=storage'],
    ]);
  });

  test('are members of what the platform makes them members of', async () => {
    const { rows } = await admin.query(`
      select member::regrole || ' in ' || roleid::regrole || case when admin_option then ' with admin' else '' end as line
      from pg_auth_members
      where member::regrole::text !~ '^pg_'
    `);
    expect(rows.map(({ line }) => line).sort()).toEqual([
      'authenticator in anon',
      'authenticator in authenticated',
      'authenticator in service_role',
      'postgres in anon with admin',
      'postgres in authenticated with admin',
      'postgres in authenticator with admin',
      'postgres in pg_monitor',
      'postgres in pg_read_all_data',
      'postgres in pg_signal_backend',
      'postgres in service_role with admin',
      'postgres in supabase_realtime_admin',
      'postgres in supabase_storage_admin',
      'supabase_storage_admin in authenticator',
    ]);
  });

  test('postgres makes roles, those that bypass RLS too, but no superuser', async () => {
    expect(await failure('create role worker login bypassrls')).toBe('none');
    expect(await failure('create role chief superuser')).toBe('42501');
  });

  test('postgres becomes the API roles, and none of the platform owners', async () => {
    for (const role of ['anon', 'authenticated', 'service_role']) {
      expect(await failure(`set local role ${role}`)).toBe('none');
      await postgres.query('reset role');
    }
    for (const role of [
      'supabase_admin',
      'supabase_auth_admin',
      'supabase_storage_admin',
      'supabase_realtime_admin',
    ]) {
      expect(await failure(`set local role ${role}`)).toBe('42501');
    }
  });
});

describe('schemas of the platform', () => {
  test('belong to whom they belong', async () => {
    const { rows } = await admin.query(`
      select nspname || ' of ' || nspowner::regrole as line
      from pg_namespace
      where nspname !~ '^pg_' and nspname <> 'information_schema'
      order by nspname
    `);
    expect(rows.map(({ line }) => line)).toEqual([
      'auth of supabase_admin',
      'extensions of postgres',
      'graphql_public of supabase_admin',
      'public of pg_database_owner',
      'realtime of supabase_admin',
      'storage of supabase_admin',
    ]);
    expect(
      await value('select pg_get_userbyid(datdba) from pg_database where datname = current_database()'),
    ).toBe('postgres');
  });

  test.each(['auth', 'storage', 'realtime'])('postgres makes nothing in %s', async (schema) => {
    expect(await failure(`create table ${schema}.mine (id int)`)).toBe('42501');
    expect(await failure(`create function ${schema}.mine() returns int language sql as 'select 1'`)).toBe(
      '42501',
    );
    expect(await failure(`create type ${schema}.mine as enum ('a')`)).toBe('42501');
  });

  test.each(['auth.users', 'storage.objects', 'realtime.messages'])(
    'postgres alters nothing of %s',
    async (table) => {
      expect(await failure(`alter table ${table} add column mine int`)).toBe('42501');
      expect(await failure(`alter table ${table} disable row level security`)).toBe('42501');
      expect(await failure(`create index on ${table} (id)`)).toBe('42501');
      expect(await failure(`comment on table ${table} is 'mine'`)).toBe('42501');
      expect(await failure(`drop table ${table} cascade`)).toBe('42501');
    },
  );

  test('postgres writes policies where hosted Supabase lets it', async () => {
    for (const table of ['storage.objects', 'storage.buckets', 'realtime.messages']) {
      expect(
        await failure(`create policy "Users do" on ${table} for select to authenticated using (true)`),
      ).toBe('none');
      expect(await failure(`alter policy "Users do" on ${table} using (false)`)).toBe('none');
      expect(await failure(`drop policy "Users do" on ${table}`)).toBe('none');
    }
  });

  test('postgres installs trusted extensions', async () => {
    expect(await failure('create extension citext with schema extensions')).toBe('none');
  });
});

describe('auth.users', () => {
  test('has the columns of GoTrue, 35 of them', async () => {
    const { rows } = await postgres.query(`
      select attname from pg_attribute where attrelid = 'auth.users'::regclass and attnum > 0 order by attnum
    `);
    expect(rows).toHaveLength(35);
    expect(rows.at(0)?.attname).toBe('instance_id');
    expect(rows.at(-1)?.attname).toBe('is_anonymous');
    expect(await failure('insert into auth.users (email) values (null)'), 'id has no default').toBe('23502');
  });

  test('is referenced, and the reference cascades', async () => {
    await postgres.query(
      'create table public.pets (owner_id uuid references auth.users (id) on delete cascade)',
    );
    await addUser(ALICE);
    await postgres.query('insert into public.pets values ($1)', [ALICE]);
    expect(await failure(`insert into public.pets values ('${BOB}')`)).toBe('23503');
    await postgres.query('delete from auth.users where id = $1', [ALICE]);
    expect(await value('select count(*)::int from public.pets')).toBe(0);
  });

  test('takes triggers that postgres makes, and makes again', async () => {
    await postgres.query(`
      create table public.seen (id uuid);
      create function public.see() returns trigger language plpgsql security definer set search_path = '' as
        $$ begin insert into public.seen values (new.id); return new; end $$;
      create or replace trigger see after insert on auth.users for each row execute function public.see();
      create or replace trigger see after insert on auth.users for each row execute function public.see();
    `);
    await addUser(ALICE);
    expect(await value('select id from public.seen')).toBe(ALICE);
  });

  test('is closed to the API roles', async () => {
    for (const role of ['anon', 'authenticated', 'service_role']) {
      await as(role);
      for (const table of ['users', 'identities', 'sessions', 'refresh_tokens']) {
        expect(await failure(`select from auth.${table}`), `${role} ${table}`).toBe('42501');
      }
      await postgres.query('reset role');
    }
  });

  test('has one user an email address, single sign-on aside', async () => {
    await addUser(ALICE, 'alice@example.com');
    expect(await failure(`insert into auth.users (id, email) values ('${BOB}', 'alice@example.com')`)).toBe(
      '23505',
    );
    expect(
      await failure(
        `insert into auth.users (id, email, is_sso_user) values ('${BOB}', 'alice@example.com', true)`,
      ),
    ).toBe('none');
  });

  test('knows since when an account is confirmed', async () => {
    await addUser(ALICE);
    await postgres.query(
      `update auth.users set phone_confirmed_at = '2026-02-01Z', email_confirmed_at = '2026-01-01Z' where id = $1`,
      [ALICE],
    );
    expect(await value('select confirmed_at from auth.users')).toEqual(new Date('2026-01-01Z'));
  });

  test('takes identities, sessions and refresh tokens with it', async () => {
    await addUser(ALICE);
    await postgres.query(`
      insert into auth.identities (provider_id, user_id, identity_data, provider)
      values ('a', '${ALICE}', '{"email": "Alice@Example.com"}', 'email');
      insert into auth.sessions (id, user_id, aal) values ('${BOB}', '${ALICE}', 'aal1');
      insert into auth.refresh_tokens (token, user_id, session_id) values ('t', '${ALICE}', '${BOB}');
    `);
    expect(await value('select email from auth.identities')).toBe('alice@example.com');
    await postgres.query('delete from auth.users');
    expect(
      await value(`
        select (select count(*) from auth.identities) + (select count(*) from auth.sessions)
          + (select count(*)::int from auth.refresh_tokens)
      `),
    ).toBe('0');
  });
});

describe('claims', () => {
  test('are read by every API role', async () => {
    await claims({ sub: ALICE, role: 'authenticated', email: 'alice@example.com' });
    for (const role of ['anon', 'authenticated', 'service_role']) {
      await as(role);
      expect(await value('select auth.uid()')).toBe(ALICE);
      expect(await value('select auth.role()')).toBe('authenticated');
      expect(await value('select auth.email()')).toBe('alice@example.com');
      expect(await value(`select auth.jwt() ->> 'sub'`)).toBe(ALICE);
      await postgres.query('reset role');
    }
  });

  test('without any there is nobody', async () => {
    expect(await value('select auth.uid()')).toBeNull();
    await postgres.query(`set local request.jwt.claims = ''`);
    expect(await value('select auth.uid()')).toBeNull();
    expect(await value('select auth.jwt()')).toBeNull();
  });

  test('a stale legacy setting wins', async () => {
    await claims({ sub: ALICE });
    await postgres.query(`set local "request.jwt.claim.sub" = '${BOB}'`);
    expect(await value('select auth.uid()')).toBe(BOB);
  });

  test('a subject that is no uuid is an error', async () => {
    await claims({ sub: 'alice' });
    expect(await failure('select auth.uid()')).toBe('22P02');
  });
});

describe('a new object of postgres in public', () => {
  test('as a table gives the API roles what was left over in 2026, and no rows', async () => {
    await postgres.query('create table public.things (id int)');
    const { rows } = await postgres.query(`
      select grantee::regrole::text as role, string_agg(privilege_type, ' ' order by privilege_type) as privileges
      from pg_class, aclexplode(relacl)
      where oid = 'public.things'::regclass
      group by grantee
    `);
    const privileges = Object.fromEntries(rows.map(({ role, privileges }) => [role, privileges]));
    const left = 'MAINTAIN REFERENCES TRIGGER TRUNCATE';
    expect(privileges).toMatchObject({ anon: left, authenticated: left, service_role: left });
    expect(Object.keys(privileges).sort()).toEqual(['anon', 'authenticated', 'postgres', 'service_role']);
    await as('service_role');
    expect(await failure('select from public.things'), 'BYPASSRLS is no table grant').toBe('42501');
  });

  test('as a sequence gives them nothing', async () => {
    await postgres.query('create sequence public.numbers');
    await as('authenticated');
    expect(await failure(`select nextval('public.numbers')`)).toBe('42501');
  });

  test('as a function can be executed by everybody, and revoking it by default changes nothing', async () => {
    await postgres.query('alter default privileges in schema public revoke execute on functions from public');
    await postgres.query(`create function public.one() returns int language sql as 'select 1'`);
    await as('anon');
    expect(await value('select public.one()')).toBe(1);
  });

  test('cannot be made by the API roles', async () => {
    for (const role of ['anon', 'authenticated', 'service_role']) {
      await as(role);
      expect(await failure('create table public.mine (id int)')).toBe('42501');
      await postgres.query('reset role');
    }
  });
});

describe('realtime', () => {
  const send = (topic: string, payload: object = { n: 1 }) =>
    postgres.query('select realtime.send($1, $2, $3)', [JSON.stringify(payload), 'changed', topic]);

  test('send stores a private broadcast with an id, in the partition of the day', async () => {
    await send('room:1');
    const { rows } = await postgres.query(`
      select topic, event, private, extension, payload ->> 'n' as n, payload ->> 'id' = id::text as has_id,
        tableoid::regclass::text = to_char(now() at time zone 'utc', '"realtime.messages_"YYYY_MM_DD') as of_today
      from realtime.messages
    `);
    expect(rows).toEqual([
      {
        topic: 'room:1',
        event: 'changed',
        private: true,
        extension: 'broadcast',
        n: '1',
        has_id: true,
        of_today: true,
      },
    ]);
    expect(await value('select realtime.topic()')).toBe('room:1');
  });

  test('send keeps an id of its caller', async () => {
    await send('room:1', { id: 'mine' });
    expect(await value(`select payload ->> 'id' from realtime.messages`)).toBe('mine');
  });

  test('send swallows a missing policy as a warning', async () => {
    await claims({ sub: ALICE, role: 'authenticated' });
    await as('authenticated');
    const heard = await warnings(() => send('room:1'));
    expect(heard).toEqual([expect.stringContaining('row-level security')]);
    await postgres.query('reset role');
    expect(await value('select count(*)::int from realtime.messages')).toBe(0);
  });

  test('send swallows a missing partition as a warning', async () => {
    await admin.query(
      `alter table realtime.messages alter column inserted_at set default now() + interval '1 year'`,
    );
    const heard = await warnings(() => send('room:1'));
    await postgres.query('rollback; begin');
    await admin.query('alter table realtime.messages alter column inserted_at set default now()');
    expect(heard).toEqual([expect.stringContaining('no partition of relation')]);
  });

  test('broadcast_changes sends a row change, and refuses a statement', async () => {
    await postgres.query(`
      create table public.things (id int, name text);
      create function public.tell() returns trigger language plpgsql security definer set search_path = '' as $$
      begin
        perform realtime.broadcast_changes('things', tg_op, tg_op, tg_table_name, tg_table_schema, new, old, tg_argv[0]);
        return null;
      end $$;
      create trigger tell after update on public.things for each row execute function public.tell('ROW');
      insert into public.things values (1, 'old');
      update public.things set name = 'new';
    `);
    expect(await value('select payload from realtime.messages')).toMatchObject({
      operation: 'UPDATE',
      schema: 'public',
      table: 'things',
      record: { id: 1, name: 'new' },
      old_record: { id: 1, name: 'old' },
    });
    await postgres.query(`
      create trigger tell_all after delete on public.things for each statement execute function public.tell('STATEMENT')
    `);
    expect(await failure('delete from public.things')).toBe('P0001');
  });

  test('a private topic is open to whom a policy lets in', async () => {
    await postgres.query(`
      create policy "Users hear their own topic" on realtime.messages for select to authenticated
      using ((select realtime.topic()) = 'user:' || (select auth.uid()));
    `);
    await send(`user:${ALICE}`);
    await as('authenticated');
    await claims({ sub: BOB });
    expect(await value('select count(*)::int from realtime.messages')).toBe(0);
    await claims({ sub: ALICE });
    expect(await value('select count(*)::int from realtime.messages')).toBe(1);
  });

  test('has a partition for every day around today, and none that is older', async () => {
    const days = async () => {
      const { rows } = await admin.query(`
        select (substring(inhrelid::regclass::text from '\\d.*$')::text) as day
        from pg_inherits where inhparent = 'realtime.messages'::regclass order by 1
      `);
      return rows.map(({ day }) => day.replaceAll('_', '-'));
    };
    const today = Date.parse(new Date().toISOString().slice(0, 10));
    const expected = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, n) =>
        new Date(today + (from + n) * 86_400_000).toISOString().slice(0, 10),
      );
    expect(await days()).toEqual(expected(-3, 3));

    await admin.query(`create table realtime.messages_2020_01_01 partition of realtime.messages
      for values from ('2020-01-01') to ('2020-01-02')`);
    await makeRealtimePartitions(admin, { daysAhead: 5 });
    expect(await days()).toEqual(expected(-3, 5));
    await admin.query(
      `drop table ${expected(4, 5).map((day) => `realtime.messages_${day.replaceAll('-', '_')}`)}`,
    );
  });
});

describe('storage', () => {
  beforeEach(() =>
    postgres.query(`
      insert into storage.buckets (id, name) values ('files', 'files');
      insert into storage.objects (bucket_id, name, owner_id) values ('files', '${ALICE}/photos/me.jpeg', '${ALICE}');
    `),
  );

  test('takes paths apart', async () => {
    const { rows } = await postgres.query(`
      select path_tokens, storage.foldername(name) as folders, storage.filename(name) as file,
        storage.extension(name) as extension
      from storage.objects
    `);
    expect(rows).toEqual([
      {
        path_tokens: [ALICE, 'photos', 'me.jpeg'],
        folders: [ALICE, 'photos'],
        file: 'me.jpeg',
        extension: 'jpeg',
      },
    ]);
    expect(await value(`select storage.foldername('me.jpeg')`)).toEqual([]);
  });

  test('protects stored files from SQL, unless told otherwise', async () => {
    expect(await failure('delete from storage.objects')).toBe('42501');
    expect(await failure('delete from storage.buckets')).toBe('42501');
    await postgres.query(`set local storage.allow_delete_query = 'true'`);
    expect(await failure('delete from storage.objects')).toBe('none');
    expect(await value('select count(*)::int from storage.objects')).toBe(0);
  });

  test('shows the API roles what policies let them see', async () => {
    await as('authenticated');
    await claims({ sub: ALICE });
    expect(await value('select count(*)::int from storage.objects')).toBe(0);
    await postgres.query('reset role');
    await postgres.query(`
      create policy "Users see their own files" on storage.objects for select to authenticated
      using (bucket_id = 'files' and (storage.foldername(name))[1] = (select auth.uid()::text));
    `);
    await as('authenticated');
    expect(await value('select count(*)::int from storage.objects')).toBe(1);
    await claims({ sub: BOB });
    expect(await value('select count(*)::int from storage.objects')).toBe(0);
  });

  test('has one object a path, and bucket names of at most 100 characters', async () => {
    expect(
      await failure(
        'insert into storage.objects (bucket_id, name) select bucket_id, name from storage.objects',
      ),
    ).toBe('23505');
    expect(await failure(`insert into storage.buckets (id, name) values ('b', repeat('b', 101))`)).toBe(
      'P0001',
    );
  });
});

describe('the rest of the platform', () => {
  test('the publication of Realtime is empty, and postgres adds to it', async () => {
    expect(
      await value(`select count(*)::int from pg_publication_tables where pubname = 'supabase_realtime'`),
    ).toBe(0);
    await postgres.query('create table public.things (id int primary key)');
    expect(await failure('alter publication supabase_realtime add table public.things')).toBe('none');
  });

  test('the API is told of a new table, and of its end', async () => {
    let told = 0;
    admin.on('notification', ({ channel, payload }) => {
      if (channel === 'pgrst' && payload === 'reload schema') told++;
    });
    await admin.query('listen pgrst');
    await postgres.query('rollback');
    await postgres.query('create temporary table passing (id int)');
    await postgres.query('create table public.things (id int)');
    await postgres.query('drop table public.things');
    await vi.waitUntil(() => told >= 2);
    await admin.query('unlisten pgrst');
    expect(told).toBe(2);
  });

  test('extensions are in their schema and on the search path', async () => {
    const { rows } = await postgres.query(`
      select extname, extnamespace::regnamespace::text as schema from pg_extension where extname <> 'plpgsql' order by 1
    `);
    expect(rows).toEqual([
      { extname: 'pg_stat_statements', schema: 'extensions' },
      { extname: 'pgcrypto', schema: 'extensions' },
      { extname: 'uuid-ossp', schema: 'extensions' },
    ]);
    expect(await value(`select crypt('a', gen_salt('bf', 4)) ~ '^\\$2a'`)).toBe(true);
    expect(await value('select count(*) > 0 from pg_stat_statements')).toBe(true);
  });

  test('the server is set for logical replication and UTC', async () => {
    expect(await value('show wal_level')).toBe('logical');
    expect(await value('show timezone')).toBe('UTC');
    expect(await value('select datlocprovider from pg_database where datname = current_database()')).toBe(
      'b',
    );
    expect(await value(`select 'é' ~ '^\\w$' and upper('é') = 'É'`)).toBe(true);
  });

  test('the bootstrap run again changes nothing', async () => {
    // Grants, owners and definitions of everything, but the identity of the event triggers that it replaces.
    const catalog = async () =>
      (
        await admin.query(`
          select jsonb_build_array(
            (select jsonb_agg(array[oid::text, relname, relacl::text, relowner::text] order by oid) from pg_class
              where relnamespace::regnamespace::text in ('auth', 'storage', 'realtime', 'extensions', 'public')),
            (select jsonb_agg(array[oid::text, proacl::text, proowner::text, prosrc] order by oid) from pg_proc
              where pronamespace::regnamespace::text in ('auth', 'storage', 'realtime', 'extensions', 'public')),
            (select jsonb_agg(to_jsonb(m) - 'oid' order by roleid, member) from pg_auth_members m),
            (select jsonb_agg(array[nspname, nspacl::text] order by oid) from pg_namespace where nspname !~ '^pg_'),
            (select jsonb_agg(array[defaclrole::text, defaclobjtype::text, defaclacl::text] order by oid)
              from pg_default_acl),
            (select jsonb_agg(array[tgrelid::regclass::text, tgname] order by oid) from pg_trigger)
          ) as content
        `)
      ).rows[0].content;
    const before = await catalog();
    await postgres.query('commit');
    await bootstrapPlatform(admin);
    expect(await catalog()).toEqual(before);
  });

  test('databases made from a template by postgres have the platform, settings included', async () => {
    await postgres.query('commit');
    await postgres.end();
    await admin.end();
    try {
      await createDatabase(server.adminUrl, 'template of tests');
    } finally {
      postgres = await connect(server.url);
      admin = await connect(server.adminUrl);
    }
    await postgres.query(`create database copy template "template of tests"`);
    const copy = await connect(server.url.replace(/postgres$/, 'copy'));
    expect(await value('show search_path', [], copy)).toBe('"$user", public, extensions');
    expect(await value('select count(*)::int from auth.users', [], copy)).toBe(0);
    expect(
      await copy.query('create table auth.mine (id int)').catch((error: pg.DatabaseError) => error.code),
    ).toBe('42501');
    await copy.query(`create policy "Users do" on storage.objects for select to authenticated using (true)`);
    await copy.end();
  });
});
