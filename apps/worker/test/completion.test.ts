import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { isLeaseLost } from '../src/queue/lease-lost.ts';
import { createQueue } from '../src/queue/queue.ts';
import { createFixture, done, type Fixture } from './fixture.ts';
import { type BreakableRoute, startProxy } from './proxy.ts';
import { until } from './support.ts';

// A worker that was killed after it had said that a job completed, and before it had recorded that, left the event of
// an attempt that did not complete; the next attempt added a second one.

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

it('a job says that it completed in the moment in which it does', async () => {
  const session = await fixture.createSession();
  const id = await fixture.enqueue(session);
  const before = proxy.lost();
  await fixture.start(
    async () => {
      proxy.loseAnswerOf('completed');
      return done;
    },
    { through: proxy.url },
  );
  await until(() => proxy.lost() > before);
  // As when it is killed: whatever it would do next does not happen.
  proxy.down();
  try {
    expect(await typesOf(session.sessionId)).toEqual(['status', 'completed']);
    expect(await fixture.statusOf(id)).toBe('completed');
  } finally {
    proxy.up();
  }
});

it('the last event of a job whose lease is lost is not appended; its neighbours in the batch have theirs', async () => {
  const sessions = [await fixture.createSession(), await fixture.createSession()];
  for (const session of sessions) await fixture.enqueue(session);
  const queue = createQueue(db.sql, 'w1', 60_000);
  const claims = await queue.claim(2);
  const lost = claims.find(({ sessionId }) => sessionId === sessions[0]?.sessionId);
  const ends = claims.map((job) => {
    const attempt = job === lost ? job.attempt + 1 : job.attempt;
    return queue.complete({ ...job, attempt }, {}, { type: 'completed', payload: {} }).then(
      () => 'completed',
      (error) => (isLeaseLost(error) ? 'lost' : error),
    );
  });
  expect((await Promise.all(ends)).sort()).toEqual(['completed', 'lost']);
  expect(await Promise.all(sessions.map(({ sessionId }) => typesOf(sessionId)))).toEqual([[], ['completed']]);
});
