import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { adminUrlOf, createTestDatabase, type TestDatabase } from '../../harness/database.ts';
import { anonKey, join, received, startRealtime, type TestRealtime, tokenFor, until } from './support.ts';

let db: TestDatabase;
let stack: TestRealtime;

beforeAll(async () => {
  db = await createTestDatabase('platform');
  stack = await startRealtime(adminUrlOf(db.url));
});
afterAll(async () => {
  await stack?.close();
  await db?.drop();
});

/** An open socket that keeps what it is sent. */
async function opened(socket: WebSocket) {
  const frames: unknown[][] = [];
  let closed: { code: number; reason: string } | undefined;
  socket.on('message', (data) => frames.push(JSON.parse(String(data))));
  socket.on('close', (code, reason) => {
    closed = { code, reason: String(reason) };
  });
  socket.on('error', () => {});
  await once(socket, 'open');
  return {
    socket,
    frames,
    closed: () => closed,
    send: (...frame: unknown[]) => socket.send(JSON.stringify(frame)),
    reply: (ref: string) => frames.find(([, of, , event]) => of === ref && event === 'phx_reply')?.[4],
  };
}

const isUp = async () => {
  const client = await opened(stack.socket());
  client.send(null, '1', 'phoenix', 'heartbeat', {});
  await until(() => client.reply('1'));
  client.socket.close();
  return true;
};

describe('who may connect', () => {
  test.each([
    ['without a key', 'vsn=2.0.0', 401],
    ['with a key that is none', 'apikey=nonsense&vsn=2.0.0', 401],
    ['with a protocol that is none', `apikey=${anonKey}&vsn=3.0.0`, 400],
  ])('not %s', async (_, query, status) => {
    const socket = stack.socket(query);
    socket.on('error', () => {});
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(status);
    socket.terminate();
  });

  test('a token that expired is refused', async () => {
    const expired = await tokenFor(undefined, { role: 'anon', seconds: -5 });
    const socket = stack.socket(`apikey=${expired}`);
    socket.on('error', () => {});
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(401);
    socket.terminate();
  });
});

test('a heartbeat is answered, in both protocols', async () => {
  const two = await opened(stack.socket());
  two.send(null, '7', 'phoenix', 'heartbeat', {});
  await until(() => two.frames.length > 0);
  expect(two.frames).toEqual([[null, '7', 'phoenix', 'phx_reply', { status: 'ok', response: {} }]]);
  const one = await opened(stack.socket(`apikey=${anonKey}`));
  one.socket.send(JSON.stringify({ topic: 'phoenix', event: 'heartbeat', payload: {}, ref: '7' }));
  await until(() => one.frames.length > 0);
  expect(one.frames[0]).toMatchObject({
    topic: 'phoenix',
    event: 'phx_reply',
    ref: '7',
    payload: { status: 'ok', response: {} },
  });
  two.socket.close();
  one.socket.close();
});

describe('malformed frames close the connection, and nothing else', () => {
  const kind3 = (...lengths: number[]) => Buffer.from([3, ...lengths, 1, 120, 120]);
  test.each<[string, string | Buffer]>([
    ['no JSON', '{'],
    ['nothing', ''],
    ['a number', '1'],
    ['null', 'null'],
    ['an object in protocol 2.0.0', '{"topic":"phoenix","event":"heartbeat"}'],
    ['an array that is too short', '["1","1","realtime:a"]'],
    ['a topic that is no text', '["1","1",5,"phx_join",{}]'],
    ['binary of no kind', Buffer.from([9, 9, 9])],
    ['binary without a header', Buffer.from([3])],
    ['nothing at all, binary', Buffer.alloc(0)],
    ['lengths beyond the frame', kind3(255, 255, 255, 255, 255)],
    [
      'a binary broadcast that is not the JSON it says',
      Buffer.concat([kind3(0, 0, 1, 1, 0), Buffer.from('{')]),
    ],
  ])('%s', async (_, frame) => {
    const client = await opened(stack.socket());
    client.socket.send(frame);
    await until(client.closed);
    expect(client.closed()).toEqual({ code: 1007, reason: 'not a frame of protocol 2.0.0' });
    expect(await isUp()).toBe(true);
  });

  test('text that is no UTF-8, and frames no WebSocket sends', async () => {
    for (const bytes of [
      [0x81, 0x82, 0, 0, 0, 0, 0xff, 0xff],
      [0xf1, 0x80, 0, 0, 0, 0],
      [0x81, 0x01, 0x41],
    ]) {
      const client = await opened(stack.socket());
      (client.socket as unknown as { _socket: { write(data: Buffer): void } })._socket.write(
        Buffer.from(bytes),
      );
      await until(client.closed);
      expect([1002, 1007]).toContain(client.closed()?.code);
    }
    expect(await isUp()).toBe(true);
  });

  test('a message that is too long', async () => {
    const client = await opened(stack.socket());
    client.socket.send('x'.repeat(6_100_000));
    await until(client.closed);
    expect(client.closed()?.code).toBe(1009);
    expect(await isUp()).toBe(true);
  });

  test.each([
    ['a join with nonsense', 'phx_join', { config: { private: 'yes', postgres_changes: 5 } }],
    ['a join with text', 'phx_join', 'text'],
    ['a join of a topic with a NUL', 'phx_join', { config: { private: true } }, 'realtime:a\0b'],
    ['a broadcast nobody joined', 'broadcast', {}],
    ['an event that is none', 'whatever', null],
  ])('%s is answered with an error', async (_, event, payload, topic = 'realtime:a') => {
    const client = await opened(stack.socket());
    client.send('1', '1', topic, event, payload);
    await until(() => client.reply('1'));
    expect(client.reply('1')).toMatchObject({ status: 'error', response: { reason: expect.any(String) } });
    expect(stack.lines).toEqual([]);
    client.socket.close();
  });

  test('nonsense in a joined channel harms nobody', async () => {
    const client = await opened(stack.socket());
    client.send('1', '1', 'realtime:nonsense', 'phx_join', { config: { broadcast: { ack: true } } });
    await until(() => client.reply('1'));
    const payloads = [null, 5, 'text', [], { event: 5 }, { event: 'track', payload: 5 }, { access_token: 5 }];
    for (const event of ['presence', 'access_token', 'whatever', 'broadcast']) {
      for (const payload of payloads) client.send('1', 'x', 'realtime:nonsense', event, payload);
    }
    client.send('1', '2', 'realtime:nonsense', 'phx_leave', {});
    await until(() => client.reply('2'));
    expect(client.reply('2')).toEqual({ status: 'ok', response: {} });
    client.socket.close();
  });

  test('an upgrade request that is broken off, or is none', async () => {
    for (const request of [
      `GET /realtime/v1/websocket?apikey=${anonKey} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      `GET /realtime/v1/websocket?apikey=${anonKey} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: other\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    ]) {
      const socket = connect(stack.port, '127.0.0.1');
      socket.write(request);
      const [answer] = await once(socket, 'data');
      expect(String(answer)).toMatch(/^HTTP\/1\.1 400 /);
      socket.destroy();
      const broken = connect(stack.port, '127.0.0.1', () => {
        broken.write(request);
        broken.resetAndDestroy();
      });
      await once(broken, 'close');
    }
    expect(await isUp()).toBe(true);
  });
});

test('joining again replaces the channel; what is meant for the old one is ignored', async () => {
  const client = await opened(stack.socket());
  const topic = 'realtime:again';
  const config = { broadcast: { self: true } };
  client.send('1', '1', topic, 'phx_join', { config });
  client.send('2', '2', topic, 'phx_join', { config });
  client.send('1', '3', topic, 'broadcast', { type: 'broadcast', event: 'old', payload: {} });
  client.send('2', '4', topic, 'broadcast', { type: 'broadcast', event: 'new', payload: {} });
  await until(() => client.frames.some((frame) => frame[3] === 'broadcast'));
  const events = client.frames.map(([joinRef, , , event, payload]) => [
    joinRef,
    event === 'broadcast' ? (payload as { event: string }).event : event,
  ]);
  expect(events).toContainEqual(['1', 'phx_close']);
  expect(events).not.toContainEqual([null, 'old']);
  expect(events.filter(([, event]) => event === 'new')).toHaveLength(1);
  client.socket.close();
});

describe('limits', () => {
  const within = async (
    limits: Parameters<typeof startRealtime>[1],
    task: (limited: TestRealtime) => Promise<void>,
  ) => {
    const limited = await startRealtime(adminUrlOf(db.url), limits);
    try {
      await task(limited);
    } finally {
      await limited.close();
    }
  };

  test('channels of a connection, and connections', () =>
    within({ channels: 2, connections: 1 }, async (limited) => {
      const client = await opened(limited.socket());
      for (const n of ['1', '2', '3']) client.send(n, n, `realtime:${n}`, 'phx_join', {});
      await until(() => client.reply('3'));
      expect(client.reply('3')).toEqual({
        status: 'error',
        response: { reason: 'ChannelRateLimitReached: Too many channels' },
      });
      client.send('1', '4', 'realtime:1', 'phx_leave', {});
      client.send('5', '5', 'realtime:5', 'phx_join', {});
      await until(() => client.reply('5'));
      expect(client.reply('5')).toMatchObject({ status: 'ok' });
      const second = limited.socket();
      second.on('error', () => {});
      const [, response] = await once(second, 'unexpected-response');
      expect(response.statusCode).toBe(429);
      client.socket.close();
      await once(client.socket, 'close');
      await until(async () => {
        const next = limited.socket();
        next.on('error', () => {});
        const [event] = await Promise.race([once(next, 'open').then(() => ['open']), once(next, 'error')]);
        next.terminate();
        return event === 'open';
      });
    }));

  test('joins and messages a second', () =>
    within({ joinsPerSecond: 1, messagesPerSecond: 2 }, async (limited) => {
      const client = await opened(limited.socket());
      // Averaged over a minute, a burst of 60 is one a second.
      for (let n = 1; n <= 61; n++) client.send(`${n}`, `${n}`, 'realtime:a', 'phx_join', {});
      await until(() => client.reply('61'));
      expect(client.reply('60')).toMatchObject({ status: 'ok' });
      expect(client.reply('61')).toMatchObject({
        response: { reason: 'ClientJoinRateLimitReached: Too many joins per second' },
      });
      for (let n = 0; n < 60; n++) client.send(null, 'x', 'phoenix', 'heartbeat', {});
      await until(client.closed);
      expect(client.closed()).toEqual({ code: 1008, reason: 'too many messages per second' });
      const messages = Array(121).fill({ topic: 't', event: 'e', payload: {} });
      expect((await limited.post('/api/broadcast', { messages })).status).toBe(429);
    }));

  test('bytes of a message', () =>
    within({ messageBytes: 1000 }, async (limited) => {
      const channel = limited.client().channel('size', { config: { broadcast: { ack: true, self: true } } });
      const messages = received(channel);
      await join(channel);
      expect(await channel.send({ type: 'broadcast', event: 'e', payload: { x: 'y'.repeat(990) } })).toBe(
        'error',
      );
      expect(await channel.send({ type: 'broadcast', event: 'e', payload: { x: 'y' } })).toBe('ok');
      await until(() => messages.length === 1);
    }));

  test('a client that falls silent is disconnected', () =>
    within({ silence: 300 }, async (limited) => {
      const [silent, lively] = [await opened(limited.socket()), await opened(limited.socket())];
      const beat = setInterval(() => lively.send(null, 'x', 'phoenix', 'heartbeat', {}), 50);
      await until(silent.closed);
      clearInterval(beat);
      expect(silent.closed()).toEqual({ code: 1008, reason: 'no heartbeat' });
      expect(lively.closed()).toBeUndefined();
    }));

  test('a client that does not read is disconnected, and the others are served', () =>
    within({ bufferedBytes: 1_000_000 }, async (limited) => {
      const [slow, quick] = [await opened(limited.socket()), await opened(limited.socket())];
      for (const client of [slow, quick]) {
        client.send('1', '1', 'realtime:flood', 'phx_join', {});
        await until(() => client.reply('1'));
      }
      slow.socket.pause();
      const payload = { text: 'x'.repeat(500_000) };
      let sent = 0;
      await until(async () => {
        await limited.post('/api/broadcast/flood/events/e', payload);
        sent++;
        return limited.lines.length > 0;
      });
      expect(limited.lines).toEqual(['a client does not read what it is sent: disconnected']);
      await until(() => quick.frames.filter((frame) => frame[3] === 'broadcast').length === sent);
      slow.socket.terminate();
    }));
});

test('public channels can be switched off', async () => {
  const strict = await startRealtime(adminUrlOf(db.url), {}, { privateOnly: true });
  expect(await join(strict.client().channel('a'))).toBe(
    'PrivateOnly: This project only allows private channels',
  );
  await strict.close();
});

test('3,000 connects in a loop, half of them with a channel, leave nothing behind', async () => {
  const connections = async () => {
    const { rows } = await db.sql.query(
      `select count(*)::int as n from pg_stat_activity where application_name = 'realtime' and datname = current_database()`,
    );
    return rows[0].n as number;
  };
  const round = async (n: number) => {
    const client = await opened(stack.socket());
    if (n % 2) {
      client.send('1', '1', `realtime:loop ${n}`, 'phx_join', { config: { presence: { enabled: true } } });
      if (n % 4 === 1) await until(() => client.reply('1'));
    }
    client.socket[n % 3 ? 'close' : 'terminate']();
    if (client.socket.readyState !== client.socket.CLOSED) await once(client.socket, 'close');
  };
  let next = 0;
  const oneAfterAnother = async () => {
    while (next < 3000) await round(next++);
  };
  await Promise.all(Array.from({ length: 50 }, oneAfterAnother));
  expect(await isUp()).toBe(true);
  // The pool, and the stream.
  expect(await connections()).toBeLessThanOrEqual(9);
  expect(stack.lines).toEqual([]);
}, 120_000);
