import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generate } from '../../apps/seed/src/generate.ts';
import { dataSetOf } from '../../apps/seed/src/options.ts';
import { createMemoryStore, followSession, syncChanges } from '../../packages/sync/src/index.ts';
import { append } from '../sync/support.ts';
import { type Stack, startStack, until } from './support.ts';

// About what a worker that flushes every 75 ms sends while an agent writes.
const BATCH = 4;
const NEVER = 3_600_000;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack?.stop());

/** The events of the sample data's longest session, as a worker appends them. */
function typicalSession(): { type: string; payload: unknown }[] {
  const sessions = new Map<string, { type: string; payload: unknown }[]>();
  for (const { sessionId, type, payload } of generate(dataSetOf()).rows.events) {
    sessions.set(sessionId, [...(sessions.get(sessionId) ?? []), { type, payload }]);
  }
  const longest = [...sessions.values()].sort((a, b) => b.length - a.length)[0] ?? [];
  return longest;
}

const bytes = (text: string) => ({ raw: Buffer.byteLength(text), gzip: gzipSync(text).length });

test('a typical session costs little more than what is in it', async () => {
  const phone = await stack.phone();
  const work = await stack.work(phone.userId);
  const events = typicalSession();
  expect(events.length).toBeGreaterThan(10);
  const content = Buffer.byteLength(JSON.stringify(events));

  const one = followSession(phone.client, work.session, () => {}, { checkEveryMs: NEVER });
  await until(() => one.status === 'live');
  const joined = phone.received();
  await stack.database.asWorker(async (client) => {
    for (let first = 0; first < events.length; first += BATCH) {
      await append(client, work.job, events.slice(first, first + BATCH));
    }
  });
  await until(() => one.seq === events.length);
  one.close();
  const live = phone.received() - joined;

  const { data: history } = await phone.client.rpc('events_since', { p_session_id: work.session, p_seq: 0 });
  const { data: changes } = await phone.client.rpc('sync_changes');
  const { data: nothing } = await phone.client.rpc('sync_changes', { p_cursor: changes.cursor });
  const sizes = {
    events: events.length,
    content,
    live,
    history: bytes(JSON.stringify(history)),
    changes: bytes(JSON.stringify(changes)),
    nothing: bytes(JSON.stringify(nothing)),
  };
  // Times, ids and seq of each event, and the frame of each batch.
  expect(live, JSON.stringify(sizes)).toBeLessThan(
    content + events.length * 200 + (events.length / BATCH) * 300,
  );
  expect(sizes.history.gzip, JSON.stringify(sizes)).toBeLessThan(content / 2);
  expect(sizes.nothing.raw, JSON.stringify(sizes)).toBeLessThan(200);
});

test('a change of state is a hint of less than 400 bytes', async () => {
  const phone = await stack.phone();
  const one = await syncChanges(phone.client, createMemoryStore(), { checkEveryMs: NEVER });
  await until(() => one.status === 'live');
  const before = phone.received();
  const { error } = await phone.client
    .from('projects')
    .insert({ name: 'App', description: 'x'.repeat(2000) });
  expect(error).toBeNull();
  await until(() => phone.received() > before);
  expect(phone.received() - before).toBeLessThan(400);
  one.close();
});
