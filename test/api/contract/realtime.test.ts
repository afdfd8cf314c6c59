import { randomUUID } from 'node:crypto';
import type { RealtimeChannel, SupabaseClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { contractTarget, type Target, type TestUser } from '../target.ts';

let target: Target;
let alice: TestUser;
let bob: TestUser;
const clients: SupabaseClient[] = [];
beforeAll(async () => {
  target = await contractTarget();
  [alice, bob] = [await target.user(), await target.user()];
});
afterAll(async () => {
  for (const client of [...clients, alice.client, bob.client]) await client.realtime.disconnect();
  await target?.stop();
});

const client = () => {
  const made = target.client();
  clients.push(made);
  return made;
};

/** Joins; resolves with `SUBSCRIBED` or with why not. */
const joined = (channel: RealtimeChannel) =>
  new Promise<string>((resolve) => {
    channel.subscribe((status) => resolve(status));
  });

const next = (channel: RealtimeChannel, event: string) =>
  new Promise<object>((resolve) => {
    channel.on('broadcast', { event }, ({ payload }) => resolve(payload));
  });

test('what one client broadcasts, or posts, others receive', async () => {
  const topic = `room-${randomUUID()}`;
  const [sender, receiver] = [client().channel(topic), client().channel(topic)];
  const [first, second] = [next(receiver, 'first'), next(receiver, 'second')];
  expect([await joined(sender), await joined(receiver)]).toEqual(['SUBSCRIBED', 'SUBSCRIBED']);
  await sender.send({ type: 'broadcast', event: 'first', payload: { n: 1 } });
  expect(await first).toMatchObject({ n: 1 });
  const posted = client().channel(topic);
  await posted.httpSend('second', { n: 2 });
  expect(await second).toMatchObject({ n: 2 });
});

test('a private topic is joined by its user only', async () => {
  const topic = (client: SupabaseClient) => client.channel(`user:${alice.id}`, { config: { private: true } });
  expect(await joined(topic(alice.client))).toBe('SUBSCRIBED');
  expect(await joined(topic(bob.client))).toBe('CHANNEL_ERROR');
  expect(await joined(topic(client()))).toBe('CHANNEL_ERROR');
});

test('presence says who is there', async () => {
  const topic = `room-${randomUUID()}`;
  const [one, other] = [client().channel(topic), client().channel(topic)];
  const seen = new Promise<object>((resolve) => {
    other.on('presence', { event: 'join' }, ({ newPresences }) => resolve(newPresences[0] as object));
  });
  await joined(other);
  await joined(one);
  await one.track({ name: 'Ann' });
  expect(await seen).toMatchObject({ name: 'Ann' });
});
