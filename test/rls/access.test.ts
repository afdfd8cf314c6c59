import { randomUUID } from 'node:crypto';
import type { ClientBase } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writableColumns } from '../harness/access-table.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const DENIED = { code: '42501' };

let db: TestDatabase;
let alice: string;
let bob: string;
const project = randomUUID();
const session = randomUUID();
const job = randomUUID();

beforeAll(async () => {
  db = await createTestDatabase();
  alice = await db.createUser();
  bob = await db.createUser();
  await db.asUser(alice, async (client) => {
    await client.query("insert into public.projects (id, name) values ($1, 'Notes')", [project]);
    await client.query('insert into public.coding_sessions (id, project_id) values ($1, $2)', [
      session,
      project,
    ]);
    await client.query("insert into public.coding_jobs (id, session_id, prompt) values ($1, $2, 'A list')", [
      job,
      session,
    ]);
  });
  await db.asWorker(async (client) => {
    await client.query("select from private.claim_jobs('w1', 1, '1 minute')");
    await client.query(`select private.append_session_events($1, 'w1', 1, '[{"type":"message"}]')`, [job]);
  });
});
afterAll(() => db.drop());

const tables = ['profiles', 'projects', 'coding_sessions', 'coding_jobs', 'session_events'];
const count = async (client: ClientBase, table: string): Promise<number> =>
  Number((await client.query(`select count(*) as count from public.${table}`)).rows[0].count);

describe.each(tables)('%s', (table) => {
  test('the owner sees the own row', async () => {
    expect(await db.asUser(alice, (client) => count(client, table))).toBe(1);
  });

  test('another user sees none of it', async () => {
    expect(await db.asUser(bob, (client) => count(client, table))).toBe(table === 'profiles' ? 1 : 0);
  });

  test('anon is refused', async () => {
    await expect(db.asAnon((client) => count(client, table))).rejects.toMatchObject(DENIED);
  });

  test('service_role sees every row', async () => {
    expect(await db.asServiceRole((client) => count(client, table))).toBe(table === 'profiles' ? 2 : 1);
  });

  test.each(['delete from', 'truncate'])('no user may %s it', async (verb) => {
    await expect(db.asUser(alice, (client) => client.query(`${verb} public.${table}`))).rejects.toMatchObject(
      DENIED,
    );
  });
});

describe('columns that a user may write', () => {
  test.each(tables)('%s: exactly those of the access table', async (table) => {
    for (const privilege of ['insert', 'update'] as const) {
      const { rows } = await db.sql.query(
        `select attname from pg_attribute
         where attrelid = $1::regclass and attnum > 0 and not attisdropped
           and has_column_privilege('authenticated', attrelid, attnum, $2)`,
        [`public.${table}`, privilege],
      );
      expect(rows.map((row) => row.attname).sort(), privilege).toEqual(
        [...(writableColumns[table]?.[privilege] ?? [])].sort(),
      );
    }
  });

  test('anon holds nothing on any table, column, sequence or function of ours', async () => {
    const { rows } = await db.sql.query(`
      select c.oid::regclass::text as object from pg_class as c
      where c.relnamespace::regnamespace::text in ('public', 'private', 'partitions', 'rls_sql')
        and c.relkind in ('r', 'p', 'v', 'm', 'S')
        and (has_any_column_privilege('anon', c.oid, 'select, insert, update, references')
          or has_table_privilege('anon', c.oid, 'delete, truncate, trigger, maintain'))
      union all
      select p.oid::regprocedure::text from pg_proc as p
      where p.pronamespace::regnamespace::text in ('public', 'private') and has_function_privilege('anon', p.oid, 'execute')`);
    expect(rows).toEqual([]);
  });
});

describe('a row never belongs to one user and its parent to another', () => {
  test('a session in somebody else’s project is refused', async () => {
    await expect(
      db.asUser(bob, (client) =>
        client.query('insert into public.coding_sessions (project_id) values ($1)', [project]),
      ),
    ).rejects.toMatchObject({ code: '23503' });
  });

  test('not even by the service role', async () => {
    await expect(
      db.asServiceRole((client) =>
        client.query('insert into public.coding_sessions (project_id, user_id) values ($1, $2)', [
          project,
          bob,
        ]),
      ),
    ).rejects.toMatchObject({ code: '23503' });
  });

  test('the owner is never taken from the client', async () => {
    await expect(
      db.asUser(bob, (client) =>
        client.query("insert into public.projects (name, user_id) values ('x', $1)", [alice]),
      ),
    ).rejects.toMatchObject(DENIED);
  });

  test('another user’s row is not there to be changed', async () => {
    const changed = await db.asUser(bob, (client) =>
      client.query("update public.projects set name = 'Mine' where id = $1", [project]),
    );
    expect(changed.rowCount).toBe(0);
  });
});

describe('the login of app teams', () => {
  test('reads nothing without a user', async () => {
    const { default: pg } = await import('pg');
    const { loginUrl } = await import('@mobvibe/db');
    const client = new pg.Client({ connectionString: loginUrl('mobvibe_app', { url: db.url }) });
    await client.connect();
    try {
      for (const table of tables) await expect(count(client, table)).rejects.toMatchObject(DENIED);
      for (const role of ['postgres', 'service_role', 'mobvibe_worker', 'supabase_admin']) {
        await expect(client.query(`set role ${role}`)).rejects.toMatchObject(DENIED);
      }
    } finally {
      await client.end();
    }
  });
});

describe('partitions', () => {
  test('are out of reach by name', async () => {
    const { rows } = await db.sql.query(
      'select tableoid::regclass::text as name from public.session_events where session_id = $1',
      [session],
    );
    expect(rows[0]?.name).toMatch(/^partitions\.session_events_\d{4}_\d{2}$/);
    await expect(
      db.asUser(alice, (client) => client.query(`select from ${rows[0]?.name}`)),
    ).rejects.toMatchObject(DENIED);
  });
});

describe('events_since', () => {
  const since = (client: ClientBase, seq: number) =>
    client
      .query('select seq, type from public.events_since($1, $2, 10)', [session, seq])
      .then((result) => result.rows);
  test('gives the owner what follows a seq', async () => {
    expect(await db.asUser(alice, (client) => since(client, 0))).toEqual([{ seq: '1', type: 'message' }]);
    expect(await db.asUser(alice, (client) => since(client, 1))).toEqual([]);
  });
  test('gives nobody else anything', async () => {
    expect(await db.asUser(bob, (client) => since(client, 0))).toEqual([]);
    await expect(db.asAnon((client) => since(client, 0))).rejects.toMatchObject(DENIED);
  });
});

describe('profiles', () => {
  test('are made at sign-up, whatever the user wrote about itself, and follow a new address', async () => {
    const id = randomUUID();
    await db.sql.query(
      `insert into auth.users (id, email, raw_user_meta_data) values ($1, null, jsonb_build_object('name', repeat('x', 500)))`,
      [id],
    );
    await db.sql.query("update auth.users set email = 'new@example.com' where id = $1", [id]);
    const { rows } = await db.sql.query(
      'select email, char_length(display_name) as length from public.profiles where id = $1',
      [id],
    );
    expect(rows).toEqual([{ email: 'new@example.com', length: 100 }]);
  });

  test('updated_at moves with every update', async () => {
    const at = async () =>
      (await db.sql.query('select updated_at from public.profiles where id = $1', [alice])).rows[0]
        .updated_at;
    const before = await at();
    await db.asUser(alice, (client) => client.query("update public.profiles set display_name = 'Alice'"));
    expect((await at()).getTime()).toBeGreaterThan(before.getTime());
  });
});

describe('storage and realtime', () => {
  test('a user reaches the own folder of project-files and no other', async () => {
    const upload = (user: string, folder: string) =>
      db.asUser(user, (client) =>
        client.query("insert into storage.objects (bucket_id, name) values ('project-files', $1)", [
          `${folder}/p/s/App.tsx`,
        ]),
      );
    await upload(alice, alice);
    await expect(upload(bob, alice)).rejects.toMatchObject(DENIED);
    const see = (user: string) =>
      db.asUser(user, async (client) => (await client.query('select from storage.objects')).rowCount);
    expect(await see(alice)).toBe(1);
    expect(await see(bob)).toBe(0);
  });

  test('a user may receive the own topics only, and send on none', async () => {
    const receives = (user: string, topic: string) =>
      db.asUser(user, async (client) => {
        await client.query("select set_config('realtime.topic', $1, true)", [topic]);
        return (await client.query('select from realtime.messages')).rowCount;
      });
    for (const topic of [`session:${session}`, `user:${alice}`]) {
      await db.sql.query("select realtime.send('{}', 'event', $1, true)", [topic]);
    }
    expect(await receives(alice, `session:${session}`)).toBeGreaterThan(0);
    expect(await receives(alice, `user:${alice}`)).toBeGreaterThan(0);
    expect(await receives(bob, `session:${session}`)).toBe(0);
    expect(await receives(bob, `user:${alice}`)).toBe(0);
    expect(await receives(alice, 'session:not-a-uuid')).toBe(0);
    await expect(
      db.asUser(alice, (client) =>
        client.query(
          "insert into realtime.messages (topic, extension, private) values ($1, 'broadcast', true)",
          [`user:${alice}`],
        ),
      ),
    ).rejects.toMatchObject(DENIED);
  });
});
