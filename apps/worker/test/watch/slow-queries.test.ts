import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../test/harness/database.ts';
import { readSlowQueries, type SlowQuery } from '../../src/watch/slow-queries.ts';
import { startCommand } from '../command.ts';
import { inDatabase } from './support.ts';

let db: TestDatabase;
let admin: pg.Client;

beforeAll(async () => {
  db = await createTestDatabase();
  admin = new pg.Client({ connectionString: inDatabase(inject('server').adminUrl, db.url) });
  await admin.connect();
});
afterAll(async () => {
  await admin?.end();
  await db?.drop();
});

const command = (...args: string[]) =>
  startCommand(['slow-queries', ...args], { DATABASE_URL: db.url }).ended;
const slowQueries = (order: 'total' | 'mean' | 'calls' = 'total', limit = 100): Promise<SlowQuery[]> =>
  db.asWorker((client) => readSlowQueries(client, { limit, order }));
const forget = () =>
  admin.query(
    `select extensions.pg_stat_statements_reset(0, oid, 0) from pg_database where datname = current_database()`,
  );

describe('the slow queries', () => {
  it('are those of our roles, with the numbers of each', async () => {
    const alice = await db.createUser();
    await forget();
    await db.asUser(alice, async (client) => {
      await client.query("insert into public.projects (name) values ('Diary of Alice')");
      for (const name of ['Diary of Alice', 'x', 'y']) {
        await client.query(`select /* alice@example.com */ id from public.projects
          where name = '${name}' and length(name) > 0.5 -- for Alice`);
      }
    });
    await db.sql.query("select 'as postgres' from public.projects");
    const found = await slowQueries();
    expect(found).toContainEqual({
      query_id: expect.stringMatching(/^-?\d+$/),
      role: 'authenticated',
      calls: 3,
      mean_ms: expect.any(Number),
      stddev_ms: expect.any(Number),
      max_ms: expect.any(Number),
      total_ms: expect.any(Number),
      share: expect.any(Number),
      rows_per_call: 1 / 3,
      blocks_hit: expect.any(Number),
      blocks_read: expect.any(Number),
      query: 'select id from public.projects where name = $1 and length(name) > $2',
    });
    const shares = found.map(({ share }) => share);
    expect(shares).toEqual(shares.toSorted((one, other) => other - one));
    expect(shares.reduce((one, other) => one + other)).toBeLessThan(1);
    expect(found.map(({ role }) => role)).not.toContain('postgres');
    expect(JSON.stringify(found)).not.toMatch(/alice|diary/i);
  });

  it('are ordered as asked, and no more than asked', async () => {
    await db.asWorker(async (client) => {
      for (const _ of Array(20)) await client.query('select count(*) from private.tier_limits');
      await client.query('select count(*) from generate_series(1, 300000) as slow');
    });
    expect(await slowQueries('calls', 1)).toMatchObject([
      { query: 'select count(*) from private.tier_limits' },
    ]);
    expect((await slowQueries('mean'))[0]?.query).toMatch(/as slow$/);
  });

  it('hold nothing of statements that the server keeps as they were written', async () => {
    await db.sql.query("create role secretive password 'sesame-1'");
    await db.sql.query("alter role secretive password 'sesame-2'");
    await db.sql.query('drop role secretive');
    await db.asWorker(async (client) => {
      await client.query("set application_name = 'sesame-3'");
      await client.query("prepare one as select 'sesame-4' from private.workers");
      await client.query('execute one');
      await client.query("explain select 'sesame-5' from private.workers");
    });
    // They are there to be found.
    const { rows } = await admin.query(
      "select query from extensions.pg_stat_statements where query ~ 'sesame-[12]'",
    );
    expect(rows).toHaveLength(2);
    const found = await slowQueries();
    expect(JSON.stringify(found)).not.toMatch(/sesame|secretive/);
    for (const { query } of found)
      expect(query).toMatch(/^(select|insert|update|delete|merge|with|values)\b/i);
  });

  it('hold no value of a statement whose entry was lost between parsing and executing', async () => {
    const text = String.raw`select /* it's sesame-0 */ 'sesame-1 -- ', 'sesame ''-2 /*', E'it\'s sesame-3', 4711, 0.4712 as x1,
      $$sesame-4$$, $a$sesame's-5$a$ from private.workers where id = $1 -- 'sesame-6`;
    await db.asWorker(async (client) => {
      const prepared = { name: 'kept', text, values: ['x'] };
      await client.query(prepared);
      await forget();
      await client.query(prepared);
    });
    const { rows } = await admin.query(
      "select query from extensions.pg_stat_statements where query ~ 'sesame-1 -- '",
    );
    expect(rows).toEqual([{ query: text }]);
    expect((await slowQueries()).map(({ query }) => query)).toContain(
      'select ?, ?, ?, ?, ? as x1, ? from private.workers where id = $1',
    );
  });

  it('are cut off where they are long', async () => {
    const columns = Array.from({ length: 200 }, (_, n) => `1 as column_${n}`).join(', ');
    await db.asWorker((client) => client.query(`select ${columns} from private.workers`));
    const long = (await slowQueries()).find(({ query }) => query.includes('column_0'));
    expect(long?.query).toHaveLength(500);
    expect(long?.query).toMatch(/…$/);
  });
});

describe('who may see them', () => {
  it('is the worker by way of the function alone', async () => {
    await db.asWorker(async (client) => {
      await expect(client.query('select * from extensions.pg_stat_statements')).rejects.toMatchObject({
        code: '42501',
      });
      await expect(client.query('select * from private.measure_server()')).rejects.toMatchObject({
        code: '42501',
      });
    });
  });

  it.each(['slow_queries', 'measurements'])('is no user of the API: %s', async (name) => {
    const alice = await db.createUser();
    const call = (client: pg.Client) => client.query(`select * from private.${name}()`);
    await expect(db.asUser(alice, call)).rejects.toMatchObject({ code: '42501' });
    await expect(db.asAnon(call)).rejects.toMatchObject({ code: '42501' });
    await expect(db.asServiceRole(call)).resolves.toBeDefined();
  });
});

describe('pnpm worker slow-queries', () => {
  it('prints them, as a table or as JSON', async () => {
    await db.asWorker((client) =>
      client.query("select count(*) as secret from private.workers where id = 'abc'"),
    );
    const table = await command('--limit', '100');
    expect(table).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^database: mobvibe_worker@.+\n$/),
    });
    expect(table.stdout).toMatch(/^share +calls +mean ms .* query\n/);
    expect(table.stdout).toMatch(
      / mobvibe_worker +select count\(\*\) as secret from private.workers where id = \$1\n/,
    );
    const json = await command('--json', '--limit', '1', '--order', 'calls');
    expect(json).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(json.stdout)).toEqual(await slowQueries('calls', 1).then((rows) => rows.map(like)));
  });

  const like = ({ query_id, role, query }: SlowQuery) => expect.objectContaining({ query_id, role, query });

  it('refuses what cannot be meant', async () => {
    expect(await command('--limit', '0')).toMatchObject({
      code: 2,
      stderr:
        'error: --limit: 0 is no whole number from 1 to 100\n' +
        'fix: pnpm worker slow-queries --help says what it takes\n',
    });
  });

  it('says where nobody counts', async () => {
    await admin.query('drop extension pg_stat_statements');
    expect(await command('--json')).toMatchObject({
      code: 1,
      stdout: '',
      stderr:
        'error: nobody counts queries: the extension pg_stat_statements is not installed in this database\n' +
        'fix: as postgres: create extension pg_stat_statements with schema extensions\n',
    });
    await db.sql.query('create extension pg_stat_statements with schema extensions').catch(() => {});
  });
});
