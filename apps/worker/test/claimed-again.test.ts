import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import type { Execution } from '../src/executor/executor.ts';
import { createFixture, done, type Fixture } from './fixture.ts';
import { until } from './support.ts';

let db: TestDatabase;
let fixture: Fixture;
beforeAll(async () => {
  db = await createTestDatabase();
  fixture = await createFixture(db);
});
afterEach(() => fixture.clear());
afterAll(async () => {
  await db?.drop();
  await fixture?.remove();
});

/** An agent that says how many of it run at once, and ends when it is told to. */
function counting() {
  let running = 0;
  const seen = { attempts: [] as number[], most: 0 };
  let finish = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  return {
    seen,
    finish,
    async run({ job, signal }: Execution) {
      running++;
      seen.attempts.push(job.attempt);
      seen.most = Math.max(seen.most, running);
      const aborted = new Promise<never>((_, reject) => {
        // It takes its time to stop.
        signal.addEventListener('abort', () => setTimeout(() => reject(signal.reason), 100));
      });
      try {
        await Promise.race([finished, aborted]);
      } finally {
        running--;
      }
      return done;
    },
  };
}

describe('a job that a worker claims while it still runs it', () => {
  it('is the same run, where a crash of the database had taken the claim back', async () => {
    const agent = counting();
    const worker = await fixture.start(agent.run, { concurrency: 2, pollMs: 100, leaseMs: 60_000 });
    const job = await fixture.enqueue(await fixture.createSession());
    await until(async () => agent.seen.attempts.length === 1);
    await db.sql.query(
      `update public.coding_jobs set status = 'pending', attempt = 0, worker_id = null, claimed_at = null,
         lease_expires_at = null where id = $1`,
      [job],
    );
    await until(async () => (await fixture.statusOf(job)) === 'processing');
    agent.finish();
    await until(async () => (await fixture.statusOf(job)) === 'completed');
    await worker.stop();
    expect(agent.seen).toEqual({ attempts: [1], most: 1 });
  });

  it('begins anew only when the run that lost its lease has ended', async () => {
    const agent = counting();
    await fixture.start(agent.run, { concurrency: 2, pollMs: 100, leaseMs: 60_000 });
    const job = await fixture.enqueue(await fixture.createSession());
    await until(async () => agent.seen.attempts.length === 1);
    await db.sql.query(
      "update public.coding_jobs set lease_expires_at = now() - interval '1 s' where id = $1",
      [job],
    );
    await db.sql.query('select private.reap_expired_jobs()');
    await db.sql.query('update public.coding_jobs set available_at = now() where id = $1', [job]);
    await until(async () => agent.seen.attempts.length === 2);
    agent.finish();
    await until(async () => (await fixture.statusOf(job)) === 'completed');
    expect(agent.seen).toEqual({ attempts: [1, 2], most: 1 });
    expect(await fixture.jobOf(job)).toMatchObject({ attempt: 2 });
  });
});
