import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { ExecutorError } from '../src/executor/executor.ts';
import { createFixture, done, type Fixture, hanging } from './fixture.ts';
import { type BreakableRoute, startProxy } from './proxy.ts';
import { until } from './support.ts';

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

const attemptsOf = async (id: string) =>
  (await db.sql.query('select attempt, outcome from private.job_attempts where job_id = $1', [id])).rows;

it('an append whose answer is lost is not made twice', async () => {
  const session = await fixture.createSession();
  const id = await fixture.enqueue(session);
  const before = proxy.lost();
  const worker = await fixture.start(
    async ({ emit }) => {
      proxy.loseAnswerOf('append_session_events');
      for (let step = 0; step < 20; step++) await emit({ type: 'message', payload: { text: `${step}` } });
      await until(() => proxy.lost() > before);
      return done;
    },
    { through: proxy.url, untilIdle: true },
  );
  expect(await worker.done).toMatchObject({ completed: 1 });
  expect(proxy.lost()).toBe(before + 1);
  const texts = (await fixture.eventsOf(session.sessionId)).filter(({ type }) => type === 'message');
  expect(texts.map(({ payload }) => payload.text)).toEqual(
    Array.from({ length: 20 }, (_, step) => `${step}`),
  );
  expect(await attemptsOf(id)).toEqual([{ attempt: 1, outcome: 'completed' }]);
});

it('a completion whose answer is lost counts, once', async () => {
  const session = await fixture.createSession();
  const id = await fixture.enqueue(session);
  const before = proxy.lost();
  proxy.loseAnswerOf('complete_jobs');
  const worker = await fixture.start(async () => done, { through: proxy.url, untilIdle: true });
  expect(await worker.done).toMatchObject({ completed: 1, lost: 0 });
  expect(proxy.lost()).toBe(before + 1);
  expect(await attemptsOf(id)).toEqual([{ attempt: 1, outcome: 'completed' }]);
  const profile = await db.sql.query('select tokens_used::int from public.profiles where id = $1', [
    session.userId,
  ]);
  expect(profile.rows).toEqual([{ tokens_used: 120 }]);
});

it('a failure whose answer is lost is known for what it was', async () => {
  const id = await fixture.enqueue(await fixture.createSession());
  const before = proxy.lost();
  proxy.loseAnswerOf('fail_jobs');
  const worker = await fixture.start(
    async () => {
      throw new ExecutorError('model_overloaded', 'Overloaded.', { retryable: true });
    },
    { through: proxy.url, untilIdle: true },
  );
  expect(await worker.done).toMatchObject({ retried: 1, lost: 0 });
  expect(proxy.lost()).toBe(before + 1);
  expect(await fixture.jobOf(id)).toMatchObject({ status: 'pending', attempt: 1 });
});

it('a release whose answer is lost has given the job back', async () => {
  const id = await fixture.enqueue(await fixture.createSession());
  const agent = hanging();
  const before = proxy.lost();
  const worker = await fixture.start(agent.run, { through: proxy.url });
  await until(() => agent.started() === 1);
  proxy.loseAnswerOf('release_jobs');
  expect(await worker.stop()).toMatchObject({ released: 1, lost: 0 });
  expect(proxy.lost()).toBe(before + 1);
  expect(await fixture.jobOf(id)).toMatchObject({ status: 'pending', attempt: 0 });
});

it('a job whose claim was never answered is taken up, at no cost of an attempt', async () => {
  const before = proxy.lost();
  const worker = await fixture.start(async () => done, {
    through: proxy.url,
    pollMs: 60_000,
    leaseMs: 60_000,
  });
  proxy.loseAnswerOf('claim_jobs');
  const id = await fixture.enqueue(await fixture.createSession());
  await until(async () => (await fixture.statusOf(id)) === 'completed');
  expect(proxy.lost()).toBe(before + 1);
  expect(await fixture.jobOf(id)).toMatchObject({ attempt: 1, worker_id: worker.id });
});
