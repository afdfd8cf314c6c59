import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { isLeaseLost } from '../src/queue/lease-lost.ts';
import { createMicroBatch } from '../src/queue/micro-batch.ts';
import { type Claim, createQueue } from '../src/queue/queue.ts';
import { createFixture, type Fixture, gate } from './fixture.ts';

let db: TestDatabase;
let fixture: Fixture;
let pool: pg.Pool;
/** The statements sent through the pool. */
const sent: string[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
  fixture = await createFixture(db);
  pool = new pg.Pool({ connectionString: fixture.workerUrl });
});
afterEach(() => fixture.clear());
afterAll(async () => {
  await pool?.end();
  await db?.drop();
  await fixture?.remove();
});

/** Claims that many jobs, each of a session and a user of its own. */
async function claim(count: number) {
  for (let n = 0; n < count; n++) await fixture.enqueue(await fixture.createSession());
  const counting = {
    query(text: string, values: unknown[]) {
      sent.push(text);
      return pool.query(text, values);
    },
  } as unknown as pg.Pool;
  const queue = createQueue(counting, 'batching', 60_000);
  const jobs = await queue.claim(count);
  expect(jobs).toHaveLength(count);
  sent.length = 0;
  return { queue, jobs };
}

const settled = (promises: Promise<unknown>[]) =>
  Promise.allSettled(promises).then((results) =>
    results.map((result) =>
      result.status === 'fulfilled' ? 'done' : isLeaseLost(result.reason) ? 'lost' : 'error',
    ),
  );

describe('jobs that end together', () => {
  it('share a call, and one lost lease does not fail its neighbours', async () => {
    const { queue, jobs } = await claim(5);
    const stolen = jobs[2] as Claim;
    await db.sql.query('update public.coding_jobs set attempt = attempt + 1 where id = $1', [stolen.id]);
    expect(await settled(jobs.map((job) => queue.complete(job, { summary: job.id })))).toEqual([
      ...['done', 'done', 'lost', 'done', 'done'],
    ]);
    // All together, then those without the lost one.
    expect(sent).toHaveLength(2);
    const { rows } = await db.sql.query(
      "select count(*)::int as count from public.coding_jobs where status = 'completed' and result ->> 'summary' = id::text",
    );
    expect(rows).toEqual([{ count: 4 }]);
  });

  it('fail and go back in the same way', async () => {
    const { queue, jobs } = await claim(6);
    const [first, second, third, ...others] = jobs as [Claim, Claim, Claim, ...Claim[]];
    await db.sql.query('update public.coding_jobs set attempt = attempt + 1 where id = any ($1)', [
      [second.id, others[1]?.id],
    ]);
    const failure = { code: 'model_overloaded', message: 'Overloaded.', retryable: true };
    const failing = [first, second, third].map((job, index) =>
      queue.fail(job, { ...failure, retryable: index === 0 }),
    );
    expect(await settled(failing)).toEqual(['done', 'lost', 'done']);
    expect([await failing[0], await failing[2]]).toEqual(['pending', 'failed']);
    expect(await settled(others.map((job) => queue.release(job)))).toEqual(['done', 'lost', 'done']);
    expect(sent).toHaveLength(4);
  });
});

describe('a micro-batch', () => {
  it('gathers what comes in one turn, and while a call is in flight', async () => {
    const calls: number[][] = [];
    const hold = gate();
    const double = createMicroBatch<number, number>(async (items) => {
      calls.push(items);
      if (calls.length === 1) await hold.opened;
      return items.map((item) => ({ value: item * 2 }));
    }, 3);
    const together = [1, 2].map(double);
    await Promise.resolve();
    expect(calls).toEqual([[1, 2]]);
    const meanwhile = [3, 4, 5, 6].map(double);
    hold.open();
    expect(await Promise.all([...together, ...meanwhile])).toEqual([2, 4, 6, 8, 10, 12]);
    expect(calls).toEqual([[1, 2], [3, 4, 5], [6]]);
  });

  it('hands a failed call to those who were in it, and to nobody else', async () => {
    const call = createMicroBatch<string, string>(async (items) => {
      if (items.includes('bad')) throw new Error('refused');
      return items.map((value) => ({ value }));
    });
    const first = call('first');
    await Promise.resolve();
    const results = await Promise.allSettled([first, call('bad'), call('neighbour')]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(await call('next')).toBe('next');
  });
});
