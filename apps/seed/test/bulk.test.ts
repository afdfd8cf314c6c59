import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createServiceClient } from '@mobvibe/db';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { clean, type SeedOptions, seed, seededUsers } from '../src/index.ts';
import { contents } from './contents.ts';
import { snapshot } from './snapshot.ts';

// Some chunks, of which more than one is under way at a time.
const some: SeedOptions = { users: 60, sessions: 300, events: 24_000 };
const few: SeedOptions = { users: 30, sessions: 120, events: 900 };
let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());

const planned = ({ tables }: { tables: { rows: number }[] }) =>
  tables.reduce((total, { rows }) => total + rows, 0);
const usersThere = async () => Number((await db.sql.query('select count(*) from auth.users')).rows[0].count);

it('are the same rows whatever the zone, the language and the version of Node', async () => {
  const child = start(fileURLToPath(new URL('./hash.ts', import.meta.url)), [], {
    TZ: 'America/St_Johns',
    LC_ALL: 'tr_TR.UTF-8',
  });
  // Changes when the sample data changes: then put the new one here. CI compares it on Node 20, 22 and 24.
  expect((await child.ended).stdout).toBe(
    'sha256:7851702b534ca4937771a230797fb3230fb09dc2b4f592880d95745071d4fdff',
  );
}, 120_000);

describe('seeding in chunks', () => {
  afterEach(async () => {
    await clean(db, few);
  });

  it('stores every row, and says the same as a look at the tables', async () => {
    const { tables, added, size } = await seed(db, few);
    expect(size).toEqual(few);
    expect(added).toBe(planned({ tables }));
    for (const { table, present } of tables) {
      const { rows } = await db.sql.query(`select count(*)::integer as count from ${table}`);
      expect([table, present]).toEqual([table, rows[0].count]);
    }
    // Whoever looks at the rows finds what the library says about each user.
    const { rows } = await db.sql.query(`
      select u.id, count(distinct s.id)::integer as sessions, count(e.seq)::integer as events
      from auth.users as u
      left join public.coding_sessions as s on s.user_id = u.id
      left join public.session_events as e on e.session_id = s.id and e.user_id = s.user_id
      group by u.id order by u.id`);
    const users = seededUsers(few).map(({ id, sessions, events }) => ({ id, sessions, events }));
    expect(rows).toEqual(users.sort((one, other) => (one.id < other.id ? -1 : 1)));
  });

  it('writes nothing when it is repeated, nor in a dry run', async () => {
    const empty = await snapshot(db.sql);
    expect(await seed(db, { ...few, dryRun: true })).toMatchObject({ added: 0 });
    expect(await snapshot(db.sql)).toEqual(empty);

    const first = await seed(db, few);
    const seeded = await snapshot(db.sql);
    const again = await seed(db, few);
    expect(again).toEqual({
      ...first,
      added: 0,
      tables: first.tables.map((table) => ({ ...table, added: 0 })),
    });
    expect(await snapshot(db.sql)).toEqual(seeded);
  });

  it('adds what is missing, and leaves alone what somebody worked with', async () => {
    await seed(db, few);
    const before = await contents(db.sql);
    await db.sql.query(`
      delete from public.projects where id in (
        select p.id from public.projects as p
        where not exists (
          select from public.coding_jobs as j join public.coding_sessions as s on s.id = j.session_id
          where s.project_id = p.id and j.status = 'pending'
        )
        order by p.id limit 5
      )`);
    const { rows } = await db.sql.query(
      `update public.projects set name = 'Renamed' where id = (select max(id::text)::uuid from public.projects)
       returning id`,
    );
    const { tables } = await seed(db, few);
    expect(tables.find(({ table }) => table === 'public.projects')?.added).toBe(5);
    expect(tables.every(({ rows: all, present }) => all === present)).toBe(true);
    const { 'public.projects': projects, ...others } = await contents(db.sql);
    expect({ ...others, 'public.projects': before['public.projects'] }).toEqual(before);
    expect(projects).not.toBe(before['public.projects']);
    const renamed = await db.sql.query('select name from public.projects where id = $1', [rows[0].id]);
    expect(renamed.rows).toEqual([{ name: 'Renamed' }]);
  });

  it('sends no message about what happened long ago', async () => {
    const messages = async () => (await db.sql.query('select count(*) from realtime.messages')).rows;
    const before = await messages();
    await seed(db, few);
    expect(await messages()).toEqual(before);
  });

  it('seeds once when two seed at a time', async () => {
    const [one, two] = await Promise.all([seed(db, few), seed(db, few)]);
    expect(one.added + two.added).toBe(planned(one));
    expect(one.hash).toBe(two.hash);
  });

  it('refuses a database that holds the data set as of another time, and a client that cannot COPY', async () => {
    await seed(db, few);
    const before = await snapshot(db.sql);
    await expect(seed(db, { ...few, now: '2026-02-01T00:00:00Z' })).rejects.toMatchObject({
      message: 'the database holds mvp-1-30-120-900 as of 2026-01-15T12:00:00.000Z',
    });
    const client = createServiceClient({ url: db.url });
    await expect(seed(client, few)).rejects.toMatchObject({ fix: 'pass { url } to seed' });
    await client.$disconnect();
    expect(await snapshot(db.sql)).toEqual(before);
  });
});

describe('cleaning in chunks', () => {
  it('removes exactly what was made, and what the seeded users made since', async () => {
    await db.createUser({ email: 'bystander@mvp-1-30-120-900.example.com' });
    await seed(db, { scale: 'ci' });
    await seed(db, { ...few, seed: 2 });
    const before = await snapshot(db.sql);
    const { tables } = await seed(db, few);
    const [user] = seededUsers(few);
    await db.sql.query(`insert into public.projects (user_id, name) values ($1, 'My own')`, [user?.id]);

    const dry = await clean(db, { ...few, dryRun: true });
    const { tables: removed } = await clean(db, few);
    expect(removed).toEqual(dry.tables);
    expect(removed).toEqual(
      tables.map(({ table, rows }) => ({ table, removed: rows + Number(table === 'public.projects') })),
    );
    expect(await snapshot(db.sql)).toEqual(before);
    expect((await clean(db, few)).removed).toBe(0);
    for (const options of [{ scale: 'ci' as const }, { ...few, seed: 2 }]) await clean(db, options);
  });
});

describe('a run that breaks off', () => {
  const flags = ['--users', '60', '--sessions', '300', '--events', '24000'];
  const command = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
  let whole: Record<string, string>;
  let hash: string;
  beforeAll(async () => {
    await db.sql.query('delete from auth.users');
    ({ hash } = await seed(db, some));
    whole = await contents(db.sql);
    await clean(db, some);
  });

  /** Runs the command until it cannot go on, because somebody else is about to write one of its users. */
  async function stalled(task: (child: ReturnType<typeof start>) => Promise<void>) {
    const other = new pg.Client({ connectionString: db.url });
    await other.connect();
    try {
      await other.query('begin');
      await other.query('insert into auth.users (id, is_sso_user, is_anonymous) values ($1, false, true)', [
        seededUsers(some).at(-1)?.id,
      ]);
      const child = start(command, flags);
      await expect.poll(waiting, { timeout: 90_000 }).toBe(1);
      await task(child);
    } finally {
      await other.query('rollback');
      await other.end();
    }
    await expect.poll(transactions, { timeout: 30_000 }).toBe(0);
  }
  const number = async (query: string) => Number((await db.sql.query(query)).rows[0].count);
  const ours = `datname = current_database() and pid <> pg_backend_pid()`;
  const waiting = () =>
    number(
      `select count(*) from pg_stat_activity where ${ours} and query ~ '^copy auth.users' and wait_event_type = 'Lock'`,
    );
  const transactions = () =>
    number(`select count(*) from pg_stat_activity where ${ours} and xact_start is not null`);

  it('is continued after kill -9: in the end everything is as if nothing had happened', async () => {
    await stalled(async (child) => {
      child.kill('SIGKILL');
      await child.ended;
    });
    const there = await usersThere();
    expect(there).toBeGreaterThan(0);
    expect(there).toBeLessThan(60);
    const { added, ...summary } = await seed(db, some);
    expect(summary.hash).toBe(hash);
    expect(added).toBeLessThan(planned(summary));
    expect(await contents(db.sql)).toEqual(whole);
    await clean(db, some);
  }, 180_000);

  it('says after Ctrl-C how to go on', async () => {
    await stalled(async (child) => {
      child.kill('SIGINT');
      expect(await child.ended).toMatchObject({
        exitCode: 130,
        stderr: expect.stringMatching(/error: interrupted\nfix: the same command again .*\n$/),
      });
    });
    await seed(db, some);
    expect(await contents(db.sql)).toEqual(whole);
    await clean(db, some);
  }, 180_000);
});

function start(script: string, args: string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], {
    env: { ...process.env, DATABASE_URL: db.url, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (text) => {
      output[name] += text;
    });
  }
  const ended = once(child, 'close').then(([exitCode]) => ({
    exitCode: exitCode as number | null,
    ...output,
  }));
  return { kill: (signal: NodeJS.Signals) => child.kill(signal), ended };
}
