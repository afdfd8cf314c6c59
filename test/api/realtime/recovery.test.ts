import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { describe as target, withConnection } from '@mobvibe/cli';
import { startServer } from '@mobvibe/local';
import type { RealtimeChannel } from '@supabase/supabase-js';
import { expect, test } from 'vitest';
import { adminUrlOf, createTestDatabase } from '../../harness/database.ts';
import { join, received, startRealtime, until } from './support.ts';

/** Joins, and keeps every status that follows. */
async function joined(channel: RealtimeChannel): Promise<string[]> {
  const statuses: string[] = [];
  await channel.socket.setAuth();
  channel.subscribe((status) => statuses.push(status));
  await until(() => statuses.includes('SUBSCRIBED'));
  return statuses;
}

const sendPublic = (url: string, event: string) =>
  withConnection(target(url), (client) =>
    client.query(`select realtime.send('{}', $1, 'topic', false)`, [event]),
  );

test('clients come back when Realtime does, and closing leaves nothing in the database', async () => {
  const db = await createTestDatabase('platform');
  const url = adminUrlOf(db.url);
  const first = await startRealtime(url);
  const channel = first.client().channel('topic');
  const messages = received(channel);
  const statuses = await joined(channel);

  await first.realtime.close();
  await until(() => statuses.includes('CHANNEL_ERROR'));
  const slots = await db.sql.query('select from pg_replication_slots where database = current_database()');
  expect(slots.rowCount).toBe(0);
  await until(async () => {
    const left = await db.sql.query(
      `select from pg_stat_activity where application_name = 'realtime' and datname = current_database()`,
    );
    return left.rowCount === 0;
  });
  await first.closeServer();
  const second = await startRealtime(url, {}, { port: first.port });
  await until(() => statuses.filter((status) => status === 'SUBSCRIBED').length === 2);
  await sendPublic(url, 'after');
  await until(() => messages.length === 1);
  await first.disconnect();
  await second.close();
  await db.drop();
});

test('a lost replication connection is made again, and channels are told to join again', async () => {
  const db = await createTestDatabase('platform');
  const url = adminUrlOf(db.url);
  const stack = await startRealtime(url);
  const channel = stack.client().channel('topic');
  const messages = received(channel);
  const statuses = await joined(channel);
  for (const round of [1, 2]) {
    await withConnection(target(url), (client) =>
      client.query(
        `select pg_terminate_backend(active_pid) from pg_replication_slots where database = current_database()`,
      ),
    );
    await until(() => statuses.filter((status) => status === 'SUBSCRIBED').length === round + 1);
    // Joined means followed: nothing committed from now on is missed.
    await sendPublic(url, `round ${round}`);
    await until(() => messages.length === round);
  }
  // The first join may have come while the connection was being made.
  expect(statuses.slice(statuses.indexOf('SUBSCRIBED'))).toEqual([
    ...['SUBSCRIBED', 'CHANNEL_ERROR', 'SUBSCRIBED', 'CHANNEL_ERROR', 'SUBSCRIBED'],
  ]);
  expect(stack.lines.filter((line) => line.startsWith('replication lost'))).toHaveLength(2);
  await stack.close();
  await db.drop();
});

test('a restart of the database is survived', async () => {
  const directory = await mkdtemp(path(tmpdir(), 'mobvibe-realtime-'));
  let server = await startServer({ directory, durable: false });
  const { port, adminUrl } = server;
  const stack = await startRealtime(adminUrl, { joinWait: 500 });
  try {
    const channel = stack.client().channel('topic');
    const messages = received(channel);
    const statuses = await joined(channel);
    await server.stop();
    // An orderly shutdown waits for what reads the replication stream; one that waited too long is cut short.
    expect(await readFile(path(directory, 'postgres.log'), 'utf8')).not.toContain('immediate shutdown');
    await until(() => statuses.includes('CHANNEL_ERROR'));
    // Meanwhile a join is refused, in words.
    expect(await join(stack.client().channel('meanwhile'))).toBe(
      'InitializingProjectConnection: Realtime is initializing the project connection',
    );
    server = await startServer({ directory, port, durable: false });
    await until(() => statuses.at(-1) === 'SUBSCRIBED' && statuses.length > 2);
    await sendPublic(adminUrl, 'after');
    await until(() => messages.length === 1);
  } finally {
    await stack.close();
    await server.stop({ remove: true });
    await rm(directory, { recursive: true, force: true });
  }
}, 90_000);

test('1,000 events arrive complete and in order at a client that is cut off three times', async () => {
  const db = await createTestDatabase('platform');
  await db.sql.query('create table public.events (seq int primary key)');
  const stack = await startRealtime(adminUrlOf(db.url));
  const channel = stack.client().channel('topic');

  // The table is the truth, a broadcast a hint: the next number is taken, a gap and a new join are read up on.
  const seen: number[] = [];
  let reading = Promise.resolve();
  const readUp = () => {
    reading = reading.then(async () => {
      const { rows } = await db.sql.query('select seq from public.events where seq > $1 order by seq', [
        seen.at(-1) ?? 0,
      ]);
      for (const { seq } of rows) if (seq === seen.length + 1) seen.push(seq);
    });
  };
  channel.on('broadcast', { event: '*' }, ({ payload }) => {
    if (payload.seq === seen.length + 1) seen.push(payload.seq);
    else if (payload.seq > seen.length) readUp();
  });
  let joins = 0;
  await channel.socket.setAuth();
  channel.subscribe((status) => {
    if (status !== 'SUBSCRIBED') return;
    joins++;
    readUp();
  });
  await until(() => joins === 1);

  let cuts = 0;
  for (let seq = 1; seq <= 1000; seq++) {
    await db.sql.query(
      `with appended as (insert into public.events values ($1) returning seq)
       select realtime.send(jsonb_build_object('seq', seq), 'e', 'topic', false) from appended`,
      [seq],
    );
    if (seq % 250 === 0 && cuts < 3) {
      await until(() => joins === cuts + 1);
      stack.cut();
      cuts++;
    }
  }
  await until(() => joins === 4 && seen.length === 1000);
  expect(seen).toEqual(Array.from({ length: 1000 }, (_, n) => n + 1));
  await stack.close();
  await reading;
  await db.drop();
});

test('what nobody can connect to is said at once', async () => {
  await expect(startRealtime('postgresql://supabase_admin:x@127.0.0.1:1/postgres')).rejects.toThrow(
    /ECONNREFUSED/,
  );
});
