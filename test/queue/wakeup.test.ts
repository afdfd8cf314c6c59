import { once } from 'node:events';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { claim, queueOf, register } from './support.ts';

let db: TestDatabase;
let queue: ReturnType<typeof queueOf>;
let listener: pg.Client;
beforeAll(async () => {
  db = await createTestDatabase();
  queue = queueOf(db);
  listener = new pg.Client({ connectionString: db.url });
  await listener.connect();
  await listener.query('listen mobvibe_jobs; listen marker');
});
afterAll(async () => {
  await listener.end();
  await db.drop();
});
beforeEach(async () => {
  await db.sql.query('delete from auth.users; delete from private.workers');
});

/** The channels that `task` notifies: a marker sent afterwards says when there is no more to come. */
async function notified(task: () => Promise<unknown>): Promise<string[]> {
  const channels: string[] = [];
  const note = ({ channel }: pg.Notification) => channels.push(channel);
  listener.on('notification', note);
  await task();
  const marker = once(listener, 'notification');
  await db.sql.query('notify marker');
  await marker;
  while (!channels.includes('marker')) await once(listener, 'notification');
  listener.off('notification', note);
  return channels.filter((channel) => channel !== 'marker');
}

const idle = async () =>
  (await db.sql.query('select idle_since is not null as idle from private.workers')).rows.map(
    (row) => row.idle,
  );

test('an insert tells nobody while no worker is idle', async () => {
  const user = await db.createUser({ tier: 'team' });
  const session = await queue.createSession(user);
  expect(await notified(() => queue.enqueue(user, session))).toEqual([]);
  await db.asWorker(async (client) => {
    await register(client);
    // As many as it asked for: it is full.
    expect(await claim(client, 'w1', 1)).toHaveLength(1);
  });
  expect(await idle()).toEqual([false]);
  expect(await notified(() => queue.enqueue(user, session))).toEqual([]);
});

test('an insert wakes a worker with a free place, once a transaction', async () => {
  const user = await db.createUser({ tier: 'team' });
  const session = await queue.createSession(user);
  await db.asWorker(async (client) => {
    await register(client);
    await claim(client, 'w1', 5);
  });
  expect(await idle()).toEqual([true]);
  expect(await notified(() => queue.enqueue(user, session))).toEqual(['mobvibe_jobs']);
  const many = () =>
    db.sql.query(
      `insert into public.coding_jobs (user_id, session_id, prompt) select $1, $2, 'x' from generate_series(1, 50)`,
      [user, session],
    );
  expect(await notified(many)).toEqual(['mobvibe_jobs']);
});

test('a worker that stopped, or was not seen for a minute, is not woken', async () => {
  const user = await db.createUser({ tier: 'team' });
  const session = await queue.createSession(user);
  await db.asWorker(async (client) => {
    for (const worker of ['w1', 'w2']) {
      await register(client, worker);
      await claim(client, worker, 5);
    }
    await client.query("select private.unregister_worker('w1')");
  });
  await db.sql.query(
    "update private.workers set last_seen_at = now() - interval '2 minutes' where id = 'w2'",
  );
  expect(await notified(() => queue.enqueue(user, session))).toEqual([]);
});

test('what is put back wakes workers', async () => {
  const user = await db.createUser();
  const job = await queue.enqueue(user, await queue.createSession(user));
  await db.asWorker(async (client) => {
    await register(client);
    await claim(client, 'w1', 1);
    expect(
      await notified(() => client.query("select private.release_jobs('w1', $1, array[1])", [[job]])),
    ).toEqual(['mobvibe_jobs']);
  });
});
