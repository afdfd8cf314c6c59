import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type FollowedSession, followSession, type SessionEvent } from '../../packages/sync/src/index.ts';
import { type Stack, startStack, until } from './support.ts';

let stack: Stack;
const followed: FollowedSession[] = [];
beforeAll(async () => {
  stack = await startStack();
});
afterEach(() => {
  for (const one of followed.splice(0)) one.close();
});
afterAll(() => stack?.stop());

const NEVER = 3_600_000;
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

/** Follows, and keeps the seqs and statuses in the order in which they came. */
function follow(
  client: Parameters<typeof followSession>[0],
  session: string,
  options: Parameters<typeof followSession>[3] = {},
) {
  const events: SessionEvent[] = [];
  const statuses: string[] = [];
  const one = followSession(client, session, (event) => events.push(event), {
    checkEveryMs: NEVER,
    ...options,
    onStatus: (status) => statuses.push(status),
  });
  followed.push(one);
  return { one, events, statuses, seqs: () => events.map(({ seq }) => seq) };
}

test('history, then live, in order, with everything in it', async () => {
  const { client, userId } = await stack.phone();
  const work = await stack.work(userId);
  await work.append(7);
  const { one, seqs, events } = follow(client, work.session, { pageSize: 3 });
  await until(() => one.status === 'live');
  for (const size of [1, 4, 2]) await work.append(size);
  await until(() => one.seq === 14);
  expect(seqs()).toEqual(upTo(14));
  expect(events.map(({ payload }) => (payload as { number: number }).number)).toEqual(upTo(14));
  // A live event has the very form of one from history.
  expect(Object.keys(events[13] ?? {}).sort()).toEqual(Object.keys(events[0] ?? {}).sort());
  expect(events[13]?.job_id).toBe(work.job);
});

test('live events come by broadcast, not by asking again', async () => {
  const { client, userId } = await stack.phone();
  const work = await stack.work(userId);
  const { one } = follow(client, work.session);
  await until(() => one.status === 'live');
  let asked = 0;
  const rpc = client.rpc.bind(client);
  client.rpc = ((...args: Parameters<typeof rpc>) => {
    asked += 1;
    return rpc(...args);
  }) as typeof client.rpc;
  for (let batch = 0; batch < 5; batch++) await work.append(2);
  await until(() => one.seq === 10);
  expect(asked).toBe(0);
});

test('joining while events are being appended neither loses nor repeats one', async () => {
  const { client, userId } = await stack.phone();
  const work = await stack.work(userId);
  const writing = (async () => {
    for (let batch = 0; batch < 40; batch++) await work.append(1 + (batch % 4));
  })();
  const { one, seqs } = follow(client, work.session, { pageSize: 5 });
  await writing;
  await until(() => one.seq === work.count());
  expect(seqs()).toEqual(upTo(work.count()));
});

test('only what is new is given to whoever knows the rest', async () => {
  const { client, userId } = await stack.phone();
  const work = await stack.work(userId);
  await work.append(5);
  const { one, seqs } = follow(client, work.session, { after: 3 });
  await until(() => one.seq === 5);
  expect(seqs()).toEqual([4, 5]);
});

test('a cut connection loses nothing', async () => {
  const { client, userId, cut } = await stack.phone();
  const work = await stack.work(userId);
  const { one, seqs, statuses } = follow(client, work.session);
  await until(() => one.status === 'live');
  for (let round = 1; round <= 3; round++) {
    cut();
    await work.append(3);
    await until(() => one.seq === round * 3);
    await until(() => one.status === 'live');
  }
  expect(seqs()).toEqual(upTo(9));
  expect(statuses).toContain('reconnecting');
});

test('what Realtime missed is fetched when it is back', async () => {
  const { client, userId } = await stack.phone();
  const work = await stack.work(userId);
  const { one, seqs } = follow(client, work.session);
  await until(() => one.status === 'live');
  await stack.loseReplication();
  await work.append(4);
  await until(() => one.seq === 4);
  expect(seqs()).toEqual(upTo(4));
});

test('a broadcast that never came is noticed by the next one, and by the check', async () => {
  const { client, userId } = await stack.phone();
  const work = await stack.work(userId);
  const patient = follow(client, work.session);
  await until(() => patient.one.status === 'live');
  const silently = async (task: () => Promise<unknown>) => {
    await stack.database.sql.query(
      'alter table public.session_events disable trigger session_events_broadcast',
    );
    await task();
    await stack.database.sql.query(
      'alter table public.session_events enable trigger session_events_broadcast',
    );
  };
  await silently(() => work.append(3));
  await work.append(1);
  await until(() => patient.one.seq === 4);
  expect(patient.seqs()).toEqual(upTo(4));

  const checking = follow(client, work.session, { checkEveryMs: 100 });
  await until(() => checking.one.status === 'live');
  await silently(() => work.append(2));
  await until(() => checking.one.seq === 6);
  expect(checking.seqs()).toEqual(upTo(6));
  expect(patient.one.seq).toBe(4);
});

test('a batch too large for a message arrives all the same', async () => {
  const { client, userId } = await stack.phone();
  const work = await stack.work(userId);
  const { one, seqs } = follow(client, work.session);
  await until(() => one.status === 'live');
  await work.append(10, 'x'.repeat(50_000));
  await until(() => one.seq === 10);
  expect(seqs()).toEqual(upTo(10));
});

test('a refreshed token changes nothing', async () => {
  const { client, userId } = await stack.phone();
  const work = await stack.work(userId);
  const { one, seqs, statuses } = follow(client, work.session);
  await until(() => one.status === 'live');
  const { error } = await client.auth.refreshSession();
  expect(error).toBeNull();
  await work.append(2);
  await until(() => one.seq === 2);
  expect(seqs()).toEqual([1, 2]);
  expect(statuses).toEqual(['live']);
});

test('a channel that ended with its token is joined again with a new one', async () => {
  const { userId } = await stack.phone();
  const work = await stack.work(userId);
  const phone = stack.shortLived(userId, 2);
  const { one, seqs, statuses } = follow(phone.client, work.session);
  await until(() => one.status === 'live');
  await until(() => statuses.includes('reconnecting'));
  await work.append(3);
  await until(() => one.seq === 3);
  await until(() => one.status === 'live');
  expect(seqs()).toEqual([1, 2, 3]);
}, 40_000);

test('two followers of one session share its channel, and one may leave', async () => {
  const { client, userId } = await stack.phone();
  const work = await stack.work(userId);
  const [first, second] = [follow(client, work.session), follow(client, work.session)];
  await until(() => first.one.status === 'live' && second.one.status === 'live');
  expect(client.getChannels()).toHaveLength(1);
  first.one.close();
  await work.append(2);
  await until(() => second.one.seq === 2);
  expect(first.seqs()).toEqual([]);
  second.one.close();
  // As a component does that is mounted again at once.
  const third = follow(client, work.session);
  await until(() => third.one.status === 'live');
  await work.append(1);
  await until(() => third.one.seq === 3);
  expect(second.seqs()).toEqual([1, 2]);
  third.one.close();
  expect(third.one.status).toBe('closed');
  await until(() => client.getChannels().length === 0);
});

test('a stranger is given nothing', async () => {
  const { userId } = await stack.phone();
  const stranger = await stack.phone();
  const work = await stack.work(userId);
  await work.append(2);
  const { one, events } = follow(stranger.client, work.session, { checkEveryMs: 50 });
  await work.append(2);
  const own = follow(stranger.client, (await stack.work(stranger.userId)).session);
  await until(() => own.one.status === 'live');
  expect(events).toEqual([]);
  expect(one.status).not.toBe('live');
});
