import { readFileSync } from 'node:fs';
import { type AppClient, createAppClient, loginUrl } from '@mobvibe/db';
import type { Server } from '@mobvibe/local';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { claim, register } from '../queue/support.ts';
import { copyUser, moveUser, userTables } from './move-user.ts';
import { startNode } from './node.ts';
import { shardOf } from './shard-of.ts';

const NAMES = ['a', 'b', 'c'] as const;
type Name = (typeof NAMES)[number];

interface Shard {
  server: Server;
  /** As the superuser: a copy must not run triggers, which on Supabase postgres may say, too. */
  sql: pg.Client;
  app: AppClient;
}

let single: TestDatabase;
let whole: AppClient;
let shards: Record<Name, Shard>;
let users: string[];
/** Where users live who were moved. */
const moved = new Map<string, string>();
const homeOf = (user: string) => shardOf(user, NAMES, moved) as Name;

// The same users twice: all in one database, and each on one of three servers.
beforeAll(async () => {
  const [servers] = await Promise.all([
    Promise.all(NAMES.map(() => startNode())),
    createTestDatabase().then((db) => {
      single = db;
    }),
  ]);
  const opened = await Promise.all(
    servers.map(async (server) => ({
      server,
      sql: await connect(server.adminUrl),
      app: createAppClient({ url: server.url }),
    })),
  );
  shards = Object.fromEntries(NAMES.map((name, index) => [name, opened[index]])) as Record<Name, Shard>;
  whole = createAppClient({ url: single.url });
  await single.sql.query(readFileSync(new URL('./fill.sql', import.meta.url), 'utf8'));
  const { rows } = await single.sql.query<{ id: string }>('select id from public.profiles order by email');
  users = rows.map(({ id }) => id);
  for (const user of users) {
    const { sql } = shards[homeOf(user)];
    await sql.query('begin');
    await copyUser(single.sql, sql, user);
    await sql.query('commit');
  }
}, 180_000);
afterAll(async () => {
  await Promise.all(
    Object.values(shards ?? {}).map(async ({ server, sql, app }) => {
      await Promise.all([sql.end(), app.$disconnect()]);
      await server.stop({ remove: true });
    }),
  );
  await whole?.$disconnect();
  await single?.drop();
});

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  return client;
}

const as = (app: AppClient, sub: string) => app.asUser({ sub, role: 'authenticated' });
type User = ReturnType<typeof as>;

const without = "- 'changed_xid'";
const commonQueries: [name: string, ask: (user: User, session: string) => Promise<unknown>][] = [
  [
    'a user’s projects',
    (user) =>
      user.$queryRawUnsafe(`select to_jsonb(p) ${without} as row from public.projects as p
      where p.deleted_at is null order by p.updated_at desc limit 20`),
  ],
  [
    'active sessions',
    (user) =>
      user.$queryRawUnsafe(`select to_jsonb(s) ${without} as row from public.coding_sessions as s
      where s.status in ('pending', 'active') order by s.id`),
  ],
  [
    'pending jobs',
    (user) =>
      user.$queryRawUnsafe(`select to_jsonb(j) ${without} as row from public.coding_jobs as j
      where j.status in ('pending', 'processing') order by j.created_at`),
  ],
  [
    'recent events',
    (user, session) =>
      user.$queryRawUnsafe(
        `select to_jsonb(e) as row from public.session_events as e
      where e.session_id = $1::uuid order by e.seq desc limit 50`,
        session,
      ),
  ],
  [
    'events_since',
    (user, session) =>
      user.$queryRawUnsafe(
        'select to_jsonb(e) as row from public.events_since($1::uuid, 2, 500) as e',
        session,
      ),
  ],
  ['sync_changes', async (user) => contentOf(await syncChanges(user))],
];

interface Changes {
  cursor: string;
  reset: boolean;
  projects: { id: string }[];
  coding_sessions: { id: string }[];
  coding_jobs: { id: string }[];
}
async function syncChanges(user: User, cursor: string | null = null): Promise<Changes> {
  const [row] = await user.$queryRaw<{ answer: Changes }[]>`
    select public.sync_changes(${cursor}::text, 1000) as answer`;
  return row?.answer as Changes;
}
// The cursor, and the order in which rows changed, are each database's own.
const contentOf = ({ cursor, ...changes }: Changes) => {
  const byId = (rows: { id: string }[]) => rows.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const { projects, coding_sessions, coding_jobs, ...rest } = changes;
  return { ...rest, projects: byId(projects), sessions: byId(coding_sessions), jobs: byId(coding_jobs) };
};

async function sessionOf(user: string): Promise<string> {
  const { rows } = await single.sql.query(
    'select id from public.coding_sessions where user_id = $1 order by id limit 1',
    [user],
  );
  return rows[0].id;
}

/** How many statements a shard has run for signed-in users, ever. */
async function served({ sql }: Shard): Promise<number> {
  const { rows } = await sql.query(`
    select coalesce(sum(calls), 0)::int as calls from extensions.pg_stat_statements(false)
    where userid in ('mobvibe_app'::regrole, 'authenticated'::regrole)`);
  return rows[0].calls;
}

describe('the route', () => {
  test('gives every shard its share, and a new one takes only its own', () => {
    const ids = Array.from(
      { length: 1_000 },
      (_, n) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`,
    );
    const shareOf = (name: string, names: readonly string[]) =>
      ids.filter((id) => shardOf(id, names) === name).length / ids.length;
    for (const name of NAMES) expect(Math.abs(shareOf(name, NAMES) - 1 / 3)).toBeLessThan(0.05);
    const more = [...NAMES, 'd'];
    expect(Math.abs(shareOf('d', more) - 1 / 4)).toBeLessThan(0.05);
    for (const id of ids) expect([shardOf(id, NAMES), 'd']).toContain(shardOf(id, more));
  });

  test('depends on nothing but the id and the names', () => {
    const id = '00000000-0000-4000-8000-00000000000A';
    expect(shardOf(id, ['c', 'b', 'a'])).toBe(shardOf(id.toLowerCase(), NAMES));
    expect(shardOf(id, NAMES)).toBe('a');
  });
});

test('each server has some of the users, and is a database of its own', async () => {
  const owned = await Promise.all(
    Object.values(shards).map(async ({ sql }) => {
      const { rows } = await sql.query('select id from public.profiles');
      return rows.map(({ id }) => id as string);
    }),
  );
  expect(owned.every((ids) => ids.length > 0)).toBe(true);
  expect(owned.flat().sort()).toEqual([...users].sort());
  // What a cursor of sync_changes is checked against: a copy of a data directory would have the same.
  const identities = await Promise.all(
    Object.values(shards).map(({ sql }) =>
      sql.query('select system_identifier as id from pg_control_system()'),
    ),
  );
  expect(new Set(identities.map(({ rows }) => rows[0].id)).size).toBe(3);
});

test.each(commonQueries)(
  '%s: one shard answers, the others hear nothing, and it is what one database says',
  async (_, ask) => {
    for (const user of users) {
      const home = homeOf(user);
      const session = await sessionOf(user);
      const before = await Promise.all(NAMES.map((name) => served(shards[name])));
      const answer = await ask(as(shards[home].app, user), session);
      const after = await Promise.all(NAMES.map((name) => served(shards[name])));
      const askedShards = NAMES.filter((_name, index) => after[index] !== before[index]);
      expect(askedShards).toEqual([home]);
      expect(answer).toEqual(await ask(as(whole, user), session));
    }
  },
);

test('a shard shows a user nothing of another who lives there', async () => {
  for (const name of NAMES) {
    const [one, other] = users.filter((user) => homeOf(user) === name) as [string, string];
    const seen = await as(shards[name].app, one).project.findMany();
    expect(seen.map(({ userId }) => userId)).toEqual([one, one, one]);
    expect(await as(shards[name].app, one).project.count({ where: { userId: other } })).toBe(0);
  }
});

describe('the queue', () => {
  test('workers of the shards together claim what one queue would give, each user’s limit held', async () => {
    const atOnce = 1_000;
    const claimed = async (url: string) => {
      const worker = await connect(loginUrl('mobvibe_worker', { url }));
      try {
        await register(worker, 'w1');
        // Until there is nothing more to have.
        const all: { id: string; user_id: string }[] = [];
        for (;;) {
          const rows = await claim(worker, 'w1', atOnce);
          if (rows.length === 0) break;
          all.push(...rows);
        }
        await worker.query('select private.release_jobs($1, $2, $3)', [
          'w1',
          all.map(({ id }) => id),
          all.map(() => 1),
        ]);
        return all;
      } finally {
        await worker.end();
      }
    };
    const whole = await claimed(single.url);
    const parts = await Promise.all(NAMES.map((name) => claimed(shards[name].server.url)));
    const sortedIds = (rows: { id: string }[]) => rows.map(({ id }) => id).sort();
    expect(sortedIds(parts.flat())).toEqual(sortedIds(whole));
    for (const user of users) expect(parts.flat().filter(({ user_id }) => user_id === user)).toHaveLength(3);
  });
});

describe('a user moves to another shard', () => {
  const elsewhere = (name: Name) => NAMES[(NAMES.indexOf(name) + 1) % NAMES.length] as Name;
  const rowsOf = async (sql: pg.Client, user: string) => {
    const counts: Record<string, number> = {};
    for (const { table, key } of await userTables(sql)) {
      const { rows } = await sql.query(`select count(*)::int as count from ${table} where ${key} = $1`, [
        user,
      ]);
      counts[table] = rows[0].count;
    }
    return counts;
  };

  test('every row goes, in an order that the foreign keys allow', async () => {
    expect((await userTables(single.sql)).map(({ table }) => table)).toEqual(
      [
        'auth.users',
        'private.job_attempts',
        'profiles',
        'projects',
        'coding_sessions',
        'coding_jobs',
        'session_events',
      ].map((name) => expect.stringContaining(name)),
    );
  });

  test('with all that is theirs, while others go on; a write that came too late fails and is made again there', async () => {
    const [user] = users as [string];
    const from = homeOf(user);
    const other = users.find((each) => each !== user && homeOf(each) === from) as string;
    const to = elsewhere(from);
    const before = await rowsOf(shards[from].sql, user);
    expect(Object.values(before).every((count) => count > 0)).toBe(true);
    const { cursor } = await syncChanges(as(shards[from].app, user));
    const session = await sessionOf(user);
    const expected = await Promise.all(
      commonQueries.map(([, ask]) => ask(as(shards[from].app, user), session)),
    );

    const late: { write?: Promise<unknown> } = {};
    await moveUser({
      userId: user,
      from: shards[from].sql,
      to: shards[to].sql,
      cutOver: async () => {
        late.write = as(shards[from].app, user)
          .project.create({ data: { name: 'Late' } })
          .then(
            () => 'written',
            (error) => error.code,
          );
        const { sql } = shards[to];
        const watching = await connect(shards[from].server.url);
        await vi.waitFor(
          async () => {
            const { rows } = await watching.query(
              "select from pg_stat_activity where usename = 'mobvibe_app' and wait_event_type = 'Lock'",
            );
            expect(rows).toHaveLength(1);
          },
          { timeout: 20_000 },
        );
        await watching.end();
        // Nobody else waits.
        expect(
          await as(shards[homeOf(other)].app, other).project.create({ data: { name: 'Now' } }),
        ).toBeDefined();
        expect(await rowsOf(sql, user)).toEqual(before);
        moved.set(user, to);
      },
    });
    expect(await late.write).toBe('P2003');

    expect(Object.values(await rowsOf(shards[from].sql, user)).every((count) => count === 0)).toBe(true);
    expect(homeOf(user)).toBe(to);
    const there = as(shards[homeOf(user)].app, user);
    expect(await Promise.all(commonQueries.map(([, ask]) => ask(there, session)))).toEqual(expected);
    // The phone's cursor is of the other database: it begins anew and loses nothing.
    const changes = await syncChanges(there, cursor);
    expect(changes).toMatchObject({ reset: true });
    expect(changes.coding_jobs).toHaveLength(
      before[Object.keys(before).find((name) => name.endsWith('coding_jobs')) as string] as number,
    );
    await expect(there.project.create({ data: { name: 'Late' } })).resolves.toMatchObject({ userId: user });
  });

  test('not while a job runs; afterwards, and after an attempt that was interrupted, it does', async () => {
    const user = users[2] as string;
    const from = homeOf(user);
    const to = elsewhere(from);
    const { sql } = shards[from];
    const before = await rowsOf(sql, user);
    const move = (cutOver: () => Promise<void>) =>
      moveUser({ userId: user, from: sql, to: shards[to].sql, cutOver });
    const done = async () => void moved.set(user, to);

    await register(sql, 'w2');
    const jobs = (await claim(sql, 'w2', 1_000)) as { id: string; attempt: number }[];
    await expect(move(done)).rejects.toThrow('is running');
    await sql.query('select private.release_jobs($1, $2, $3)', [
      'w2',
      jobs.map(({ id }) => id),
      jobs.map(({ attempt }) => attempt),
    ]);

    await expect(move(() => Promise.reject(new Error('cut')))).rejects.toThrow('cut');
    expect(homeOf(user)).toBe(from);
    // The copy is there, and nobody is led to it: the next attempt makes it anew.
    await as(shards[from].app, user).project.create({ data: { name: 'Meanwhile' } });
    await move(done);
    expect((await as(shards[to].app, user).project.findMany()).map(({ name }) => name)).toContain(
      'Meanwhile',
    );
    expect(await rowsOf(shards[to].sql, user)).not.toEqual(before);
    expect(Object.values(await rowsOf(sql, user)).every((count) => count === 0)).toBe(true);
  });
});
