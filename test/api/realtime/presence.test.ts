import { afterAll, beforeAll, expect, test } from 'vitest';
import { adminUrlOf, createTestDatabase, type TestDatabase } from '../../harness/database.ts';
import { join, startRealtime, type TestRealtime, until } from './support.ts';

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

const enter = async (topic: string, key: string, vsn = '2.0.0') => {
  const client = stack.client(undefined, { vsn });
  const channel = client.channel(topic, { config: { presence: { key, enabled: true } } });
  const log: string[] = [];
  channel.on('presence', { event: 'join' }, ({ key }) => log.push(`+${key}`));
  channel.on('presence', { event: 'leave' }, ({ key }) => log.push(`-${key}`));
  await join(channel);
  return { client, channel, log, keys: () => Object.keys(channel.presenceState()).sort() };
};

test.each(['1.0.0', '2.0.0'])('who comes, changes and goes is seen by all, protocol %s', async (vsn) => {
  const a = await enter(`room ${vsn}`, 'a', vsn);
  expect(await a.channel.track({ mood: 'good' })).toBe('ok');
  await until(() => a.keys().join() === 'a');
  const b = await enter(`room ${vsn}`, 'b', vsn);
  await until(() => b.keys().join() === 'a');
  expect(b.channel.presenceState()).toMatchObject({
    a: [{ mood: 'good', presence_ref: expect.any(String) }],
  });

  await b.channel.track({ mood: 'fair' });
  await until(() => a.keys().join() === 'a,b');
  await b.channel.track({ mood: 'better' });
  await until(() => JSON.stringify(a.channel.presenceState().b).includes('better'));
  expect(a.channel.presenceState().b).toHaveLength(1);

  expect(await b.channel.untrack()).toBe('ok');
  await until(() => a.keys().join() === 'a');
  expect(b.keys()).toEqual(['a']);
});

test('one user on two devices is one key with two entries', async () => {
  const [phone, tablet] = [await enter('devices', 'u'), await enter('devices', 'u')];
  await phone.channel.track({ on: 'phone' });
  await tablet.channel.track({ on: 'tablet' });
  await until(() => phone.channel.presenceState().u?.length === 2);
  await tablet.client.realtime.disconnect();
  await until(() => phone.channel.presenceState().u?.length === 1);
  expect(phone.channel.presenceState().u).toMatchObject([{ on: 'phone' }]);
});

test('leaving the channel, and losing the connection, leave the room', async () => {
  const [stays, leaves, breaks] = [
    await enter('exit', 's'),
    await enter('exit', 'l'),
    await enter('exit', 'x'),
  ];
  for (const { channel } of [stays, leaves, breaks]) await channel.track({});
  await until(() => stays.keys().length === 3);
  await leaves.channel.unsubscribe();
  await breaks.client.realtime.disconnect();
  await until(() => stays.keys().join() === 's');
  expect(stays.log).toEqual(expect.arrayContaining(['-l', '-x']));
});

test('a key that would break other clients is refused', async () => {
  for (const key of ['__proto__', 'constructor']) {
    const channel = stack.client().channel('proto', { config: { presence: { key, enabled: true } } });
    expect(await join(channel)).toMatch(/^InvalidJoinPayload: .*presence\.key/);
  }
});

test('whoever does not ask for presence hears nothing of it, until it tracks', async () => {
  const a = await enter('quiet', 'a');
  await a.channel.track({});
  const channel = stack.client().channel('quiet', { config: { presence: { key: 'q', enabled: false } } });
  await join(channel);
  expect(channel.presenceState()).toEqual({});
  await channel.track({});
  await until(() => Object.keys(channel.presenceState()).sort().join() === 'a,q');
});
