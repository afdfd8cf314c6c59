import { loginUrl } from '@mobvibe/db';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Acting, actingUser } from '../../packages/db/src/app-client/acting.ts';
import {
  type PreparedStatements,
  preparedStatements,
} from '../../packages/db/src/app-client/prepared-statements.ts';
import { runStatementAs } from '../../packages/db/src/app-client/statement-as.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let db: TestDatabase;
let alice: string;
let bob: string;
let pool: pg.Pool;
let client: pg.PoolClient;
let known: PreparedStatements;

beforeAll(async () => {
  db = await createTestDatabase();
  [alice, bob] = [await db.createUser(), await db.createUser()];
  await db.sql.query(`
    create table public.late (id int unique deferrable initially deferred, note text);
    grant select, insert on public.late to authenticated;
    create function public.noisy() returns int language plpgsql as $$ begin raise notice 'heard'; return 1; end $$;`);
});
afterAll(() => db.drop());
beforeEach(async () => {
  await db.sql.query('truncate public.late');
  pool = new pg.Pool({ connectionString: loginUrl('mobvibe_app', { url: db.url }), max: 1, pipeline: true });
  pool.on('error', () => {});
  client = await pool.connect();
  client.on('error', () => {});
  known = preparedStatements();
});
afterEach(async () => {
  client.release(true);
  await pool.end();
});

const acting = (sub: string): Acting => actingUser({ sub, role: 'authenticated' });
const run = (text: string, values: unknown[] = [], who: Acting = acting(alice)) =>
  runStatementAs(known, client, who, { text, values });
const late = async () => (await db.sql.query('select id from public.late')).rows;
const prepared = async () =>
  (
    await client.query(
      "select statement, generic_plans from pg_prepared_statements where starts_with(name, 'mobvibe_')",
    )
  ).rows;

/** Nothing is left of the user, and the connection serves the next. */
const expectReusable = async () => {
  const nobody = await client.query(
    "select current_user::text as role, coalesce(current_setting('request.jwt.claims', true), '') as claims, current_setting('statement_timeout') as timeout",
  );
  expect(nobody.rows).toEqual([{ role: 'mobvibe_app', claims: '', timeout: '8s' }]);
  expect(client.getTransactionStatus()).toBe('I');
  const { rows } = await run('select auth.uid() as uid, current_user::text as role', [], acting(bob));
  expect(rows).toEqual([{ uid: bob, role: 'authenticated' }]);
};

test('answers with the rows of the statement alone', async () => {
  const { rows, rowCount, fields } = await run('select $1::int as one, auth.uid() as uid', [1]);
  expect({ rows, rowCount }).toEqual({ rows: [{ one: 1, uid: alice }], rowCount: 1 });
  expect(fields.map(({ name }) => name)).toEqual(['one', 'uid']);
  expect(await run('insert into public.late values (1), (2)')).toMatchObject({ rowCount: 2, rows: [] });
  expect(await late()).toEqual([{ id: 1 }, { id: 2 }]);
  await expectReusable();
});

test('many at once on one connection, each as its own user', async () => {
  const users = Array.from({ length: 40 }, (_, n) => (n % 2 ? alice : bob));
  const results = await Promise.all(users.map((user) => run('select auth.uid() as uid', [], acting(user))));
  expect(results.map(({ rows }) => rows[0].uid)).toEqual(users);
  await expectReusable();
});

test('a large result', async () => {
  const { rows } = await run("select n, repeat('x', 100) from generate_series(1, 100000) as s(n)");
  expect(rows).toHaveLength(100_000);
  expect(rows.at(-1)).toMatchObject({ n: 100_000 });
  await expectReusable();
});

test('notices in between', async () => {
  const heard: (string | undefined)[] = [];
  client.on('notice', ({ message }) => heard.push(message));
  expect((await run('select public.noisy() as n')).rows).toEqual([{ n: 1 }]);
  expect(heard).toEqual(['heard']);
});

describe('an error', () => {
  test.each([
    ['in its syntax', 'selec 1', '42601'],
    ['in its execution, after some rows', 'select 1 / (3 - n) from generate_series(1, 5) as s(n)', '22012'],
    [
      'in its execution, after some writes',
      'insert into public.late values (1), (1 / (random() * 0)::int)',
      '22012',
    ],
    ['at the commit, by a deferred constraint', 'insert into public.late values (1), (1)', '23505'],
    ['by a right that only the login lacks', 'select 1 from private.tier_limits', '42501'],
  ])('%s undoes it, and again', async (_, text, code) => {
    for (let n = 0; n < 2; n++) {
      await expect(run(text)).rejects.toMatchObject({ code });
      expect(await late()).toEqual([]);
      await expectReusable();
    }
  });

  test('of becoming the user keeps the statement from being executed', async () => {
    const [, ...settings] = acting(alice);
    await expect(
      run('insert into public.late values (1)', [], ['postgres', ...settings]),
    ).rejects.toMatchObject({
      code: '42501',
    });
    expect(await late()).toEqual([]);
    await expectReusable();
  });

  test('of a value, found before anything is sent', async () => {
    const circular = { toPostgres: () => circular };
    await expect(run('select $1::text', [circular])).rejects.toThrow('circular');
    await expectReusable();
  });

  test('by the timeout that came along with the statement', async () => {
    const [role = '', , ...claims] = acting(alice);
    await expect(run('select pg_sleep(30)', [], [role, '20ms', ...claims])).rejects.toMatchObject({
      code: '57014',
    });
    await expectReusable();
  });

  test('by a connection that is cut', async () => {
    const { rows } = await client.query('select pg_backend_pid() as pid');
    const cut = run(
      'with one as (insert into public.late values (1) returning id) select pg_sleep(30) from one',
    );
    const settled = expect(cut).rejects.toThrow();
    await vi.waitFor(async () => {
      const { rowCount } = await db.sql.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'",
        [rows[0].pid],
      );
      expect(rowCount).toBe(1);
    });
    await settled;
    await expect(run('select 1')).rejects.toThrow();
    expect(await late()).toEqual([]);
  });
});

describe('prepared statements', () => {
  // Of a table that is not empty: the plan of a user's read by id is kept, although Prisma adds an OFFSET.
  test('the plan of a read by id is kept for all users', async () => {
    const { rows } = await db.sql.query(
      "insert into public.projects (user_id, name) values ($1, 'Notes') returning id",
      [alice],
    );
    const text = 'select name from public.projects where id = $1 limit $2 offset $3';
    const read = async (who: string, offset = 0) =>
      (
        await run(
          text.replace('offset', 'OFFSET').replace('limit', 'LIMIT'),
          [rows[0].id, 1, offset],
          acting(who),
        )
      ).rows;
    for (let n = 0; n < 10; n++) {
      expect(await read(alice)).toEqual([{ name: 'Notes' }]);
      expect(await read(bob)).toEqual([]);
    }
    const [plan] = (await prepared()).filter(({ statement }) => statement.includes('public.projects'));
    expect(Number(plan.generic_plans)).toBeGreaterThan(0);
    expect(await read(alice, 1)).toEqual([]);
  });

  test('that are gone, as behind a pooler, are done without', async () => {
    await run('select 1 as n');
    await client.query('deallocate all');
    expect((await run('select 1 as n')).rows).toEqual([{ n: 1 }]);
    await run('select 2 as n');
    expect(await prepared()).toEqual([]);
  });

  test('whose columns were changed are prepared again', async () => {
    await run('insert into public.late (id, note) values (1, $1)', ['7']);
    const read = async () => (await run('select note from public.late')).rows;
    expect(await read()).toEqual([{ note: '7' }]);
    await db.sql.query('alter table public.late alter note type int using note::int');
    try {
      expect(await read()).toEqual([{ note: 7 }]);
      expect(await read()).toEqual([{ note: 7 }]);
      expect((await prepared()).map(({ statement }) => statement)).toContain('select note from public.late');
    } finally {
      await db.sql.query('alter table public.late alter note type text');
    }
  });

  test('do not grow without end; the oldest go', async () => {
    for (let n = 0; n < 250; n++) expect((await run(`select ${n} as n`)).rows).toEqual([{ n }]);
    const held = (await prepared()).map(({ statement }) => statement);
    expect(held.length).toBeLessThanOrEqual(202);
    expect(held).toContain('select 249 as n');
    expect(held).not.toContain('select 0 as n');
    expect((await run('select 0 as n')).rows).toEqual([{ n: 0 }]);
  });
});
