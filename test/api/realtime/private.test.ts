import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adminUrlOf, createTestDatabase, type TestDatabase } from '../../harness/database.ts';
import {
  anonKey,
  join,
  received,
  serviceKey,
  startRealtime,
  type TestRealtime,
  tokenFor,
  until,
} from './support.ts';

let db: TestDatabase;
let stack: TestRealtime;

const refused = (topic: string) =>
  `Unauthorized: You do not have permissions to read from this Channel topic: ${topic}`;
const open = (topic: string, token?: string, config: object = {}) =>
  stack.client(token).channel(topic, { config: { private: true, ...config } });

describe('the policies of this repository', () => {
  beforeAll(async () => {
    db = await createTestDatabase('migrated');
    stack = await startRealtime(adminUrlOf(db.url));
  });
  afterAll(async () => {
    await stack?.close();
    await db?.drop();
  });

  const sessionOf = (userId: string) =>
    db.asUser(userId, async (client) => {
      const project = await client.query(`insert into public.projects (name) values ('App') returning id`);
      const session = await client.query(
        'insert into public.coding_sessions (project_id) values ($1) returning id',
        [project.rows[0].id],
      );
      return session.rows[0].id as string;
    });

  test('user B receives nothing of user A, on any channel', async () => {
    const [a, b] = [await db.createUser(), await db.createUser()];
    const session = await sessionOf(a);
    const [tokenA, tokenB] = [await tokenFor(a), await tokenFor(b)];
    const names = [`session:${session}`, `user:${a}`];
    const owned = names.map((name) => open(name, tokenA));
    const heard = owned.map((channel) => received(channel));
    expect(await Promise.all(owned.map(join))).toEqual(['SUBSCRIBED', 'SUBSCRIBED']);

    for (const token of [tokenB, anonKey]) {
      const strangers = names.map((name) => open(name, token));
      expect(await Promise.all(strangers.map(join))).toEqual(names.map(refused));
    }
    // The public topics of these names are anybody's, and nothing of A's goes there.
    const outside = [...names, `user:${b}`].map((name, index) =>
      stack.client(tokenB).channel(name, { config: { private: index === 2 } }),
    );
    const overheard = outside.map((channel) => received(channel));
    expect(await Promise.all(outside.map(join))).toEqual(Array(3).fill('SUBSCRIBED'));

    for (const name of names) await db.sql.query(`select realtime.send('{"of": "a"}', 'e', $1)`, [name]);
    await db.sql.query(`select realtime.send('{"of": "b"}', 'e', $1)`, [`user:${b}`]);
    await until(() => heard.every((messages) => messages.some(({ event }) => event === 'e')));
    await until(() => overheard[2]?.some(({ event }) => event === 'e'));
    expect(overheard.slice(0, 2)).toEqual([[], []]);
    expect(overheard[2]?.map(({ payload }) => payload)).not.toContainEqual(
      expect.objectContaining({ of: 'a' }),
    );
  });

  test('the owner receives, and sends nothing: to nobody, not by HTTP either', async () => {
    const user = await db.createUser();
    const token = await tokenFor(user);
    const [phone, tablet] = [
      open(`user:${user}`, token, { broadcast: { ack: true } }),
      open(`user:${user}`, token),
    ];
    const heard = received(tablet);
    await Promise.all([join(phone), join(tablet)]);
    expect(await phone.send({ type: 'broadcast', event: 'forged', payload: {} })).toBe('error');
    await stack.post(
      '/api/broadcast',
      { messages: [{ topic: `user:${user}`, event: 'forged', payload: {}, private: true }] },
      token,
    );
    await db.sql.query(`select realtime.send('{}', 'real', $1)`, [`user:${user}`]);
    await until(() => heard.length > 0);
    expect(heard.map(({ event }) => event)).toEqual(['real']);
  });
});

describe('policies of all kinds', () => {
  beforeAll(async () => {
    db = await createTestDatabase('platform');
    await db.sql.query(`
      create table public.members (user_id text, room text);
      grant select on public.members to authenticated;
      create policy "Members receive" on realtime.messages for select to authenticated
        using ((select realtime.topic()) like 'room%' and extension = 'broadcast' and exists (
          select from public.members where user_id = (select auth.uid())::text and room = (select realtime.topic())));
      create policy "Members send" on realtime.messages for insert to authenticated
        with check ((select realtime.topic()) like 'room%' and extension = 'broadcast' and exists (
          select from public.members where user_id = (select auth.uid())::text and room = (select realtime.topic())));
      create policy "Everybody is seen" on realtime.messages for select to authenticated
        using ((select realtime.topic()) like 'lobby%' and extension = 'presence');
      create policy "Guests read broken" on realtime.messages for select to anon
        using ((select realtime.topic()) = 'broken' and 1 / (extract(year from now())::int - extract(year from now())::int) = 1);
    `);
    stack = await startRealtime(adminUrlOf(db.url));
  });
  afterAll(async () => {
    await stack?.close();
    await db?.drop();
  });

  const member = async (room: string) => {
    const id = randomUUID();
    await db.sql.query('insert into public.members values ($1, $2)', [id, room]);
    return { id, token: await tokenFor(id) };
  };

  test('a member sends, and others receive', async () => {
    const [one, two] = [await member('room 1'), await member('room 1')];
    const [sender, reader] = [
      open('room 1', one.token, { broadcast: { ack: true } }),
      open('room 1', two.token),
    ];
    const heard = received(reader);
    expect(await Promise.all([join(sender), join(reader)])).toEqual(['SUBSCRIBED', 'SUBSCRIBED']);
    expect(await sender.send({ type: 'broadcast', event: 'e', payload: {} })).toBe('ok');
    await until(() => heard.length === 1);
    expect(await join(open('room 1', await tokenFor(randomUUID())))).toBe(refused('room 1'));
  });

  test('whoever may only see presence receives no broadcast', async () => {
    const token = await tokenFor(randomUUID());
    const channel = open('lobby', token, { presence: { enabled: true } });
    const heard = received(channel);
    let states = 0;
    channel.on('presence', { event: 'sync' }, () => states++);
    expect(await join(channel)).toBe('SUBSCRIBED');
    await until(() => states > 0);
    expect(await channel.track({ here: true })).toBe('error');
    const service = open('lobby', serviceKey, { presence: { key: 's', enabled: true } });
    const told = received(service);
    await join(service);
    await db.sql.query(`select realtime.send('{}', 'e', 'lobby')`);
    await until(() => told.length === 1);
    await service.track({ here: true });
    await until(() => 's' in channel.presenceState());
    expect(heard).toEqual([]);
  });

  test('a policy that fails, and a claim that is no id, permit nothing', async () => {
    expect(await join(open('broken'))).toBe(refused('broken'));
    expect(await join(open('room 1', await tokenFor('no uuid')))).toBe(refused('room 1'));
  });

  test('a token that expired or was forged does not join', async () => {
    const expired = await tokenFor(randomUUID(), { seconds: -10 });
    expect(await join(open('room 1', expired))).toMatch(/^InvalidJWTToken: /);
    const forged = `${(await tokenFor(randomUUID())).split('.').slice(0, 2).join('.')}.AAAA`;
    expect(await join(open('room 1', forged))).toMatch(/^InvalidJWTToken: /);
  });

  test('a token may not claim a role the API does not have', async () => {
    for (const role of ['postgres', 'supabase_admin', 'authenticator']) {
      const token = await tokenFor(randomUUID(), { role });
      expect(await join(open('room 1', token))).not.toBe('SUBSCRIBED');
    }
  });

  test('a channel ends with its token', async () => {
    const { id } = await member('room 2');
    const channel = open('room 2', await tokenFor(id, { seconds: 2 }));
    const seen: string[] = [];
    channel.on('system', {}, ({ message }) => seen.push(message));
    await channel.socket.setAuth();
    channel.subscribe((status) => seen.push(status));
    await until(() => seen.includes('CLOSED'));
    expect(seen[0]).toBe('SUBSCRIBED');
    expect(seen.find((text) => text.startsWith('Token has expired'))).toBeDefined();
  });

  test('a new token in time keeps it, and one that may no longer read ends it', async () => {
    const { id } = await member('room 3');
    const client = stack.client(await tokenFor(id, { seconds: 3 }));
    const channel = client.channel('room 3', { config: { private: true } });
    const heard = received(channel);
    const seen: string[] = [];
    channel.on('system', {}, ({ message }) => seen.push(message));
    await client.realtime.setAuth();
    await new Promise<void>((resolve) => {
      channel.subscribe((status) => {
        seen.push(status);
        if (status === 'SUBSCRIBED') resolve();
      });
    });
    await client.realtime.setAuth(await tokenFor(id, { seconds: 3600 }));
    const start = Date.now();
    await until(() => Date.now() - start > 4000);
    await db.sql.query(`select realtime.send('{}', 'still', 'room 3')`);
    await until(() => heard.length === 1);
    expect(seen).toEqual(['SUBSCRIBED']);

    await db.sql.query(`delete from public.members where room = 'room 3'`);
    await client.realtime.setAuth(await tokenFor(id, { seconds: 3601 }));
    await until(() => seen.includes('CLOSED'));
    expect(seen).toContain('You no longer have permission to read from this Channel topic: room 3');
  });

  test('asking leaves no row behind', async () => {
    const { rows } = await db.sql.query(
      `select count(*)::int as left from realtime.messages where event is null`,
    );
    expect(rows).toEqual([{ left: 0 }]);
  });
});
