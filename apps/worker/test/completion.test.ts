import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { isLeaseLost } from '../src/queue/lease-lost.ts';
import { createQueue } from '../src/queue/queue.ts';
import { createFixture, done, type Fixture } from './fixture.ts';
import { type BreakableRoute, startProxy } from './proxy.ts';
import { until } from './support.ts';

// A worker that was killed after it had said how a job ended, and before it had recorded that, left the event of an
// attempt that did not end so; the next attempt added a second one.

let db: TestDatabase;
let fixture: Fixture;
let proxy: BreakableRoute;

beforeAll(async () => {
  db = await createTestDatabase();
  fixture = await createFixture(db);
  proxy = await startProxy(fixture.workerUrl);
});
afterEach(() => fixture.clear());
afterAll(async () => {
  await proxy?.close();
  await db?.drop();
  await fixture?.remove();
});

const typesOf = async (sessionId: string) => (await fixture.eventsOf(sessionId)).map(({ type }) => type);

it.each([
  ['completed', 'completed', async () => done],
  [
    'error',
    'pending',
    async () => {
      throw new Error('It broke.');
    },
  ],
] as const)('the event %s is there in the moment in which the job is %s', async (type, status, run) => {
  const session = await fixture.createSession();
  const id = await fixture.enqueue(session);
  const before = proxy.lost();
  await fixture.start(
    async () => {
      proxy.loseAnswerOf(type === 'error' ? 'fail_jobs' : 'completed');
      return run();
    },
    { through: proxy.url },
  );
  await until(() => proxy.lost() > before);
  // As when it is killed: whatever it would do next does not happen.
  proxy.down();
  try {
    expect(await typesOf(session.sessionId)).toEqual(['status', type]);
    expect(await fixture.statusOf(id)).toBe(status);
  } finally {
    proxy.up();
  }
});

it.each(['complete', 'fail'] as const)(
  '%s: the last event of a job whose lease is lost is not appended; its neighbours in the batch have theirs',
  async (end) => {
    const sessions = [await fixture.createSession(), await fixture.createSession()];
    for (const session of sessions) await fixture.enqueue(session);
    const queue = createQueue(db.sql, 'w1', 60_000);
    const claims = await queue.claim(2);
    const lost = claims.find(({ sessionId }) => sessionId === sessions[0]?.sessionId);
    const last = { type: end === 'fail' ? 'error' : 'completed', payload: {} };
    const ends = claims.map((job) => {
      const held = { ...job, attempt: job === lost ? job.attempt + 1 : job.attempt };
      const ending =
        end === 'fail'
          ? queue.fail(held, { code: 'broken', message: 'It broke.', retryable: false }, last)
          : queue.complete(held, {}, last);
      return ending.then(
        () => 'ended',
        (error) => (isLeaseLost(error) ? 'lost' : error),
      );
    });
    expect((await Promise.all(ends)).sort()).toEqual(['ended', 'lost']);
    expect(await Promise.all(sessions.map(({ sessionId }) => typesOf(sessionId)))).toEqual([[], [last.type]]);
  },
);
