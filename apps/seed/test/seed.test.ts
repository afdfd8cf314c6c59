import { createServiceClient, type ServiceClient } from '@mobvibe/db';
import bcrypt from 'bcryptjs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { generate } from '../src/generate.ts';
import { clean, SEED_PASSWORD, seed, seededUsers, type TableCount } from '../src/index.ts';
import { dataSetOf } from '../src/options.ts';
import type { Rows } from '../src/rows.ts';
import { contents } from './contents.ts';
import { snapshot } from './snapshot.ts';

let db: TestDatabase;
let client: ServiceClient;

beforeAll(async () => {
  db = await createTestDatabase();
  client = createServiceClient({ url: db.url });
});
afterAll(async () => {
  await client.$disconnect();
  await db.drop();
});

const nothingAdded = (tables: TableCount[]) => tables.map((table) => ({ ...table, added: 0 }));

const user = (key: string) => {
  const found = seededUsers().find((one) => one.key === key);
  if (!found) throw new Error(`no user ${key}`);
  return found;
};

describe('seeding an empty database', () => {
  it('stores every column of every row as it was generated', async () => {
    await seed(client);
    const rows = generate(dataSetOf()).rows;
    const stored = {
      ...rows,
      workers: await client.worker.findMany(),
      users: await client.user.findMany(),
      profiles: await client.profile.findMany({ omit: { updatedAt: true } }),
      projects: await client.project.findMany(),
      sessions: await client.codingSession.findMany(),
      jobs: await client.codingJob.findMany(),
      attempts: await client.jobAttempt.findMany(),
      events: await client.sessionEvent.findMany(),
    };
    for (const table of Object.keys(rows) as (keyof Rows)[]) {
      const sorted = (all: object[]) => all.sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
      expect(sorted(stored[table]), table).toEqual(sorted(rows[table]));
    }
  });

  it('counts what the database holds', async () => {
    const { tables } = await seed(client);
    expect(tables).toHaveLength(9);
    for (const { table, rows, present } of tables) {
      const { rows: counted } = await db.sql.query<{ count: number }>(
        `select count(*)::integer as count from ${table}`,
      );
      expect([rows, present], table).toEqual([counted[0]?.count, counted[0]?.count]);
    }
  });

  it('gives users a password that fits', async () => {
    const { encryptedPassword } = await client.user.findUniqueOrThrow({ where: { id: user('pro').id } });
    expect(await bcrypt.compare(SEED_PASSWORD, encryptedPassword ?? '')).toBe(true);
    expect(await bcrypt.compare('another', encryptedPassword ?? '')).toBe(false);
  });
});

describe('a second run', () => {
  beforeEach(() => seed(client));

  it('changes nothing', async () => {
    const before = await snapshot(db.sql);
    const { added, hash, tables } = await seed(client);
    expect(added).toBe(0);
    expect(await snapshot(db.sql)).toEqual(before);
    expect({ hash, tables }).toEqual({ hash, tables: nothingAdded(tables) });
  });

  it('leaves alone what somebody worked with', async () => {
    const { id } = user('free');
    await db.sql.query("update public.projects set name = 'Renamed' where user_id = $1", [id]);
    await db.sql.query('update public.profiles set jobs_used = jobs_used + 7 where id = $1', [id]);
    await db.sql.query("select private.register_worker('real', 'host', 1, '1')");
    const { rows: claimed } = await db.sql.query(
      "select * from private.claim_jobs('real', 10, '30 seconds')",
    );
    expect(claimed.length).toBeGreaterThan(0);
    for (const job of claimed) {
      const events = [{ type: 'message', payload: { text: 'Hello' } }];
      const append = 'select private.append_session_events($1, $2, $3, $4)';
      await db.sql.query(append, [job.id, 'real', job.attempt, JSON.stringify(events)]);
    }

    const before = await snapshot(db.sql);
    const { added } = await seed(client);
    expect(added).toBe(0);
    expect(await snapshot(db.sql)).toEqual(before);
    await clean(client);
  });

  it('leaves alone what a worker swept up, and gives it no work', async () => {
    await db.sql.query('select private.reap_expired_jobs(), private.expire_sessions()');
    const { rows: claimed } = await db.sql.query(
      "select * from private.claim_jobs('real', 10, '30 seconds')",
    );
    expect(claimed).toEqual([]);
    const before = await snapshot(db.sql);
    expect(await seed(client)).toMatchObject({ added: 0 });
    expect(await snapshot(db.sql)).toEqual(before);
    await clean(client);
  });

  it('adds what is missing', async () => {
    const { rowCount } = await db.sql.query("delete from public.projects where name = 'Habit tracker'");
    expect(rowCount).toBe(1);
    const { tables } = await seed(client);
    const added = Object.fromEntries(
      tables.flatMap((table) => (table.added > 0 ? [[table.table, table.added]] : [])),
    );
    expect(Object.keys(added)).toEqual([
      'public.projects',
      'public.coding_sessions',
      'public.coding_jobs',
      'private.job_attempts',
      'public.session_events',
    ]);
    expect(added['public.coding_sessions']).toBe(2);
  });
});

it('writes the same with COPY as through a client, and finds what the other one wrote', async () => {
  await clean(client);
  const through = await seed(client);
  const before = await snapshot(db.sql);
  const stored = await contents(db.sql);
  expect(await seed(db)).toEqual({ ...through, added: 0, tables: nothingAdded(through.tables) });
  expect(await snapshot(db.sql)).toEqual(before);
  const { tables: removed } = await clean(db);
  expect(removed).toEqual(through.tables.map(({ table, rows }) => ({ table, removed: rows })));

  expect(await seed(db)).toEqual(through);
  expect(await contents(db.sql)).toEqual(stored);
  expect(await seed(client)).toMatchObject({ added: 0 });
});

it.each([
  ['through clients', () => createServiceClient({ url: db.url })],
  ['with COPY and through a client', () => ({ url: db.url })],
])('seeds once when two seed at a time, %s', async (_, another) => {
  await clean(client);
  const other = another();
  const [one, two] = await Promise.all([seed(client), seed(other)]);
  if ('$disconnect' in other) await other.$disconnect();
  const planned = one.tables.reduce((total, { rows }) => total + rows, 0);
  expect([one.added, two.added].sort((a, b) => a - b)).toEqual([0, planned]);
});

describe('a dry run', () => {
  it('writes nothing and says what is missing', async () => {
    await clean(client);
    const before = await snapshot(db.sql);
    const { added, tables } = await seed(client, { dryRun: true });
    expect(await snapshot(db.sql)).toEqual(before);
    expect(added).toBe(0);
    expect(tables.every(({ rows, present }) => rows > 0 && present === 0)).toBe(true);
  });
});

describe('it refuses, and changes nothing,', () => {
  it('when the data set is there as of another time', async () => {
    await seed(client);
    const before = await snapshot(db.sql);
    await expect(seed(client, { now: '2026-02-01T00:00:00Z' })).rejects.toMatchObject({
      message: 'the database holds ci-1 as of 2026-01-15T12:00:00.000Z',
    });
    expect(await snapshot(db.sql)).toEqual(before);
  });

  it('when somebody else has one of its addresses', async () => {
    await clean(client);
    const bystander = await db.createUser({ email: user('team').email ?? '' });
    const before = await snapshot(db.sql);
    await expect(seed(client)).rejects.toMatchObject({
      message: expect.stringContaining('users_email_partial_key'),
    });
    expect(await snapshot(db.sql)).toEqual(before);
    await db.sql.query('delete from auth.users where id = $1', [bystander]);
  });

  it('when the login may not write users', async () => {
    const worker = createServiceClient({ url: at(db.url, 'mobvibe_worker') });
    await expect(seed(worker)).rejects.toMatchObject({ fix: expect.stringContaining('postgres') });
    await worker.$disconnect();
  });

  it('when the migrations are missing', async () => {
    const platform = await createTestDatabase('platform');
    const bare = createServiceClient({ url: platform.url });
    await expect(seed(bare)).rejects.toMatchObject({ fix: 'pnpm turbo migrate' });
    await bare.$disconnect();
    await platform.drop();
  });
});

describe('cleaning', () => {
  it('removes exactly what was made', async () => {
    await clean(client);
    const bystander = await db.createUser({ email: 'bystander@ci-1.example.com' });
    await db.sql.query("insert into public.projects (user_id, name) values ($1, 'Habit tracker')", [
      bystander,
    ]);
    await db.sql.query("select private.register_worker('seed-ci-1-else', 'host', 1, '1')");
    await seed(client, { seed: 2 });
    const before = await snapshot(db.sql);

    const { tables } = await seed(client);
    const { tables: removed } = await clean(client);
    expect(removed).toEqual(tables.map(({ table, rows }) => ({ table, removed: rows })));
    expect(await snapshot(db.sql)).toEqual(before);
  });

  it('removes what the seeded users made since, and needs no time', async () => {
    await seed(client, { now: '2026-03-01T00:00:00Z' });
    await db.sql.query("insert into public.projects (user_id, name) values ($1, 'My own')", [
      user('newcomer').id,
    ]);
    await clean(client);
    expect(await client.profile.count({ where: { id: { in: seededUsers().map(({ id }) => id) } } })).toBe(0);
  });

  it('writes nothing in a dry run, nor when nothing is there', async () => {
    await seed(client);
    const seeded = await snapshot(db.sql);
    expect((await clean(client, { dryRun: true })).removed).toBeGreaterThan(200);
    expect(await snapshot(db.sql)).toEqual(seeded);
    await clean(client);
    const empty = await snapshot(db.sql);
    expect((await clean(client)).removed).toBe(0);
    expect(await snapshot(db.sql)).toEqual(empty);
  });
});

describe('row-level security', () => {
  it('shows each seeded user its own rows, as many as the summary says', async () => {
    await clean(client);
    const { users } = await seed(client);
    const outsider = await db.createUser();
    const tables = ['projects', 'coding_sessions', 'coding_jobs', 'session_events'];
    const seen = (id: string) =>
      db.asUser(id, async (sql) => {
        const counts: number[] = [];
        for (const table of tables) {
          const { rows } = await sql.query(`select user_id from public.${table}`);
          expect(rows.filter((row) => row.user_id !== id)).toEqual([]);
          counts.push(rows.length);
        }
        const { rows: profiles } = await sql.query('select id from public.profiles');
        expect(profiles).toEqual([{ id }]);
        return counts;
      });
    for (const { key, id, projects, sessions, jobs, events } of users) {
      expect(await seen(id), key).toEqual([projects, sessions, jobs, events]);
    }
    expect(await seen(outsider)).toEqual([0, 0, 0, 0]);
  });
});

const keyOf = (row: object): string => {
  const { id, jobId, attempt, sessionId, seq } = row as Record<string, unknown>;
  return id ? String(id) : `${jobId}/${sessionId}/${String(seq ?? attempt).padStart(9, '0')}`;
};

const at = (url: string, login: string) =>
  Object.assign(new URL(url), { username: login, password: login }).href;
