import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adminUrlOf, createTestDatabase, type TestDatabase } from '../../harness/database.ts';
import { anonKey, join, received, serviceKey, startRealtime, type TestRealtime, until } from './support.ts';

let db: TestDatabase;
let stack: TestRealtime;

beforeAll(async () => {
  db = await createTestDatabase('platform');
  await db.sql.query(`
    create policy "Everybody receives news" on realtime.messages for select to anon, authenticated
      using (extension = 'broadcast' and (select realtime.topic()) like 'news%');
    create policy "Everybody sends to the forum" on realtime.messages for all to anon, authenticated
      using (extension = 'broadcast' and (select realtime.topic()) like 'forum%')
      with check (extension = 'broadcast' and (select realtime.topic()) like 'forum%');
  `);
  stack = await startRealtime(adminUrlOf(db.url));
});

afterAll(async () => {
  await stack?.close();
  await db?.drop();
});

const send = (topic: string, payload: object, isPrivate: boolean, event = 'told') =>
  db.sql.query('select realtime.send($1, $2, $3, $4)', [payload, event, topic, isPrivate]);

describe.each(['1.0.0', '2.0.0'])('between clients, protocol %s', (vsn) => {
  const open = (topic: string, broadcast = {}) =>
    stack.client(undefined, { vsn }).channel(topic, { config: { broadcast } });

  test('a message reaches the others of the topic, not its sender, not another topic', async () => {
    const [sender, other, elsewhere] = [open(`a ${vsn}`), open(`a ${vsn}`), open(`b ${vsn}`)];
    const [back, there, away] = [received(sender), received(other), received(elsewhere)];
    expect(await Promise.all([sender, other, elsewhere].map(join))).toEqual(Array(3).fill('SUBSCRIBED'));
    await sender.send({ type: 'broadcast', event: 'cursor', payload: { x: 1, text: 'ä " \\ 🙂' } });
    await other.send({ type: 'broadcast', event: 'after', payload: {} });
    await until(() => back.length > 0);
    expect(there).toMatchObject([
      { type: 'broadcast', event: 'cursor', payload: { x: 1, text: 'ä " \\ 🙂' } },
    ]);
    expect(back).toMatchObject([{ event: 'after' }]);
    expect(away).toEqual([]);
  });

  test('ack answers, self echoes', async () => {
    const channel = open(`echo ${vsn}`, { ack: true, self: true });
    const echoes = received(channel);
    await join(channel);
    expect(await channel.send({ type: 'broadcast', event: 'e', payload: { n: 1 } })).toBe('ok');
    await until(() => echoes.length === 1);
    expect(echoes[0]).toMatchObject({ event: 'e', payload: { n: 1 } });
  });

  test('the protocols understand each other', async () => {
    const channel = open(`mixed ${vsn}`);
    const other = stack
      .client(undefined, { vsn: vsn === '1.0.0' ? '2.0.0' : '1.0.0' })
      .channel(`mixed ${vsn}`);
    const there = received(other);
    await Promise.all([join(channel), join(other)]);
    await channel.send({ type: 'broadcast', event: 'e', payload: { from: vsn } });
    await until(() => there.length === 1);
    expect(there[0]?.payload).toEqual({ from: vsn });
  });
});

test('a broadcast cannot pass for another message', async () => {
  const reader = stack.client().channel('disguise');
  const messages = received(reader);
  await join(reader);
  const socket = stack.socket();
  await until(() => socket.readyState === socket.OPEN);
  const send = (...frame: unknown[]) => socket.send(JSON.stringify(frame));
  send('1', '1', 'realtime:disguise', 'phx_join', {});
  send('1', '2', 'realtime:disguise', 'broadcast', { event: 'e', ids: [1], data: null, payload: { n: 1 } });
  await until(() => messages.length === 1);
  expect(messages).toEqual([{ type: 'broadcast', event: 'e', payload: { n: 1 } }]);
  socket.close();
});

test('bytes travel as bytes, in protocol 2.0.0 alone', async () => {
  const [sender, reader, old] = ['2.0.0', '2.0.0', '1.0.0'].map((vsn) =>
    stack.client(undefined, { vsn }).channel('bytes'),
  ) as [ReturnType<ReturnType<TestRealtime['client']>['channel']>, never, never];
  const [there, nowhere] = [received(reader), received(old)];
  await Promise.all([sender, reader, old].map(join));
  await sender.send({ type: 'broadcast', event: 'e', payload: new Uint8Array([1, 0, 255]).buffer as never });
  await sender.send({ type: 'broadcast', event: 'json', payload: {} });
  await until(() => there.length === 2 && nowhere.length === 1);
  expect([...new Uint8Array(there[0]?.payload as ArrayBuffer)]).toEqual([1, 0, 255]);
  expect(nowhere).toMatchObject([{ event: 'json' }]);
});

describe('from the database', () => {
  test.each(['1.0.0', '2.0.0'])('a row of realtime.messages reaches the topic, protocol %s', async (vsn) => {
    const topic = `news ${vsn}`;
    const channel = stack.client(undefined, { vsn }).channel(topic, { config: { private: true } });
    const messages = received(channel);
    expect(await join(channel)).toBe('SUBSCRIBED');
    await send(topic, { headline: 'ä "', big: 1 }, true);
    await until(() => messages.length === 1);
    expect(messages[0]).toMatchObject({
      type: 'broadcast',
      event: 'told',
      payload: { headline: 'ä "', big: 1, id: expect.any(String) },
      meta: { id: expect.any(String) },
    });
  });

  test('numbers arrive as the database wrote them', async () => {
    const socket = stack.socket();
    const frames: string[] = [];
    socket.on('message', (data) => frames.push(String(data)));
    await until(() => socket.readyState === socket.OPEN);
    socket.send(JSON.stringify(['1', '1', 'realtime:exact', 'phx_join', {}]));
    await until(() => frames.some((frame) => frame.includes('phx_reply')));
    await db.sql.query(
      `select realtime.send('{"n": 12345678901234567890.12345678901234567890}', 'e', 'exact', false)`,
    );
    await until(() => frames.some((frame) => frame.includes('12345678901234567890.12345678901234567890')));
    socket.close();
  });

  test('public and private topics of one name are two', async () => {
    const name = 'news of two';
    const open = stack.client().channel(name);
    const closed = stack.client().channel(name, { config: { private: true } });
    const [inOpen, inClosed] = [received(open), received(closed)];
    await Promise.all([join(open), join(closed)]);
    await send(name, {}, true, 'private');
    await send(name, {}, false, 'public');
    await until(() => inOpen.length > 0 && inClosed.length > 0);
    expect(inOpen.map(({ event }) => event)).toEqual(['public']);
    expect(inClosed.map(({ event }) => event)).toEqual(['private']);
  });

  test('what is rolled back is not told', async () => {
    const channel = stack.client().channel('news undone', { config: { private: true } });
    const messages = received(channel);
    await join(channel);
    await db.sql.query('begin');
    await send('news undone', {}, true, 'undone');
    await db.sql.query('rollback');
    await send('news undone', {}, true, 'done');
    await until(() => messages.length > 0);
    expect(messages.map(({ event }) => event)).toEqual(['done']);
  });

  test('broadcast_changes tells of a row', async () => {
    await db.sql.query(`
      create table public.todos (id int primary key, title text);
      create function public.tell() returns trigger language plpgsql security definer as $$
      begin
        perform realtime.broadcast_changes(
          'news todos', tg_op, tg_op, tg_table_name, tg_table_schema, new, old);
        return null;
      end $$;
      create trigger todos_tell after insert or update on public.todos for each row execute function public.tell();
    `);
    const channel = stack.client().channel('news todos', { config: { private: true } });
    const messages = received(channel);
    await join(channel);
    await db.sql.query(`insert into public.todos values (1, 'milk')`);
    await until(() => messages.length === 1);
    expect(messages[0]).toMatchObject({
      event: 'INSERT',
      payload: { record: { id: 1, title: 'milk' }, old_record: null, table: 'todos', schema: 'public' },
    });
  });

  test('1,000 messages of many transactions arrive complete and in order', async () => {
    const channel = stack.client().channel('news in order', { config: { private: true } });
    const messages = received(channel);
    await join(channel);
    for (let start = 0; start < 1000; start += 50) {
      await db.sql.query(
        `select realtime.send(jsonb_build_object('n', n), 'e', 'news in order') from generate_series($1::int, $1 + 49) as n`,
        [start],
      );
    }
    await until(() => messages.length >= 1000);
    expect(messages.map(({ payload }) => (payload as { n: number }).n)).toEqual([...Array(1000).keys()]);
  });
});

describe('over HTTP', () => {
  test('a channel that is not joined sends by HTTP, as httpSend does', async () => {
    const reader = stack.client().channel('http');
    const messages = received(reader);
    await join(reader);
    const sender = stack.client().channel('http');
    expect(await sender.send({ type: 'broadcast', event: 'old', payload: { n: 1 } })).toBe('ok');
    expect(await sender.httpSend('new/er', { n: 2 })).toEqual({ success: true });
    await until(() => messages.length === 2);
    expect(messages).toMatchObject([
      { event: 'old', payload: { n: 1 } },
      { event: 'new/er', payload: { n: 2 } },
    ]);
  });

  test('a private topic takes only what the policies let the caller send', async () => {
    const open = (topic: string) => stack.client().channel(topic, { config: { private: true } });
    const [news, forum] = [open('news http'), open('forum http')];
    const [ofNews, ofForum] = [received(news), received(forum)];
    await Promise.all([join(news), join(forum)]);
    const messages = ['news http', 'forum http'].map((topic) => ({
      topic,
      event: 'by anon',
      payload: {},
      private: true,
    }));
    expect((await stack.post('/api/broadcast', { messages })).status).toBe(202);
    const byService = messages.map((message) => ({ ...message, event: 'by service' }));
    expect((await stack.post('/api/broadcast', { messages: byService }, serviceKey)).status).toBe(202);
    await until(() => ofNews.length > 0 && ofForum.length > 1);
    expect(ofNews.map(({ event }) => event)).toEqual(['by service']);
    expect(ofForum.map(({ event }) => event)).toEqual(['by anon', 'by service']);
  });

  test.each([
    ['no token', '/api/broadcast', { messages: [] }, 'nonsense', 401],
    ['no messages', '/api/broadcast', { messages: [] }, anonKey, 422],
    ['no JSON', '/api/broadcast', '{', anonKey, 422],
    ['no payload', '/api/broadcast', { messages: [{ topic: 't', event: 'e' }] }, anonKey, 422],
    ['no JSON for one event', '/api/broadcast/t/events/e', '{', anonKey, 422],
    ['too long', '/api/broadcast', 'x'.repeat(3_000_001), anonKey, 413],
  ])('refuses: %s', async (_, path, body, token, status) => {
    const response = await stack.post(path, body, token);
    expect(response.status).toBe(status);
    expect(await response.json()).toBeTypeOf('object');
  });
});
