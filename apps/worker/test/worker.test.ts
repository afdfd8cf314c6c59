import { describe as describeTarget } from '@mobvibe/cli';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { loadWorkerConfig } from '../src/config.ts';
import { ExecutorError } from '../src/executor/executor.ts';
import { createLog } from '../src/log.ts';
import { isLeaseLost } from '../src/queue/lease-lost.ts';
import { createQueue } from '../src/queue/queue.ts';
import { startWorker } from '../src/worker.ts';
import { createFixture, done, type Fixture, hanging } from './fixture.ts';
import { until } from './support.ts';

let db: TestDatabase;
let fixture: Fixture;
let start: Fixture['start'];
let createSession: Fixture['createSession'];
let enqueue: Fixture['enqueue'];
let jobOf: Fixture['jobOf'];
let statusOf: Fixture['statusOf'];
let eventsOf: Fixture['eventsOf'];

beforeAll(async () => {
  db = await createTestDatabase();
  fixture = await createFixture(db);
  ({ start, createSession, enqueue, jobOf, statusOf, eventsOf } = fixture);
});
afterEach(() => fixture.clear());
afterAll(async () => {
  await db?.drop();
  await fixture?.remove();
});

const sessionOf = async (id: string) =>
  (await db.sql.query('select * from public.coding_sessions where id = $1', [id])).rows[0];

describe('the worker', () => {
  it('runs a job through the Claude Agent SDK, end to end', async () => {
    const session = await createSession();
    const id = await enqueue(session);
    const worker = await start(undefined, { untilIdle: true });
    expect(await worker.done).toMatchObject({ completed: 1, failed: 0 });

    const job = await jobOf(id);
    expect(job).toMatchObject({ status: 'completed', attempt: 1, worker_id: worker.id, error_code: null });
    expect(job.result).toMatchObject({
      summary: expect.any(String),
      usage: { input_tokens: expect.any(Number) },
    });
    const events = await eventsOf(session.sessionId);
    expect(events.map(({ seq }) => Number(seq))).toEqual(events.map((_, index) => index + 1));
    expect(events[0]).toMatchObject({ type: 'status', payload: { status: 'started', attempt: 1 } });
    expect(events.at(-1)).toMatchObject({ type: 'completed', payload: { turns: 8, cost_usd: 0 } });
    expect(new Set(events.map(({ type }) => type))).toEqual(
      new Set(['status', 'thinking', 'message', 'terminal', 'file_change', 'completed']),
    );
    expect(await sessionOf(session.sessionId)).toMatchObject({
      status: 'active',
      sandbox_id: expect.stringMatching(`^local:${session.sessionId}:`),
      last_event_seq: String(events.length),
      metadata: {
        agent_session_id: expect.any(String),
        files: ['App.tsx', 'README.md', 'app.json', 'package.json'],
      },
    });
    const usage = await db.sql.query('select tokens_used from public.profiles where id = $1', [
      session.userId,
    ]);
    expect(Number(usage.rows[0].tokens_used)).toBe(
      job.result.usage.input_tokens + job.result.usage.output_tokens,
    );
  });

  it('is woken by a new job, without waiting for its next poll', async () => {
    await start(async () => done);
    const session = await createSession();
    const id = await enqueue(session);
    await until(async () => (await statusOf(id)) === 'completed', 5_000);
  });

  it('runs as many jobs at a time as it may, and one of a session', async () => {
    const [first, second, third] = [await createSession(), await createSession(), await createSession()];
    let running = 0;
    let most = 0;
    for (const session of [first, first, second, third]) await enqueue(session);
    const sessionsRunning = new Set<string>();
    const worker = await start(
      async ({ session }) => {
        expect(sessionsRunning).not.toContain(session.id);
        sessionsRunning.add(session.id);
        most = Math.max(most, ++running);
        await until(() => most === 2);
        running--;
        sessionsRunning.delete(session.id);
        return done;
      },
      { untilIdle: true, concurrency: 2 },
    );
    expect(await worker.done).toMatchObject({ completed: 4, failed: 0, retried: 0 });
    expect(most).toBe(2);
  });

  it('tells the owner in a line why a job failed, and tries again only where that may help', async () => {
    const [hopeless, unlucky, broken] = [await createSession(), await createSession(), await createSession()];
    const ids = {
      hopeless: await enqueue(hopeless, 'a'),
      unlucky: await enqueue(unlucky, 'b'),
      broken: await enqueue(broken, 'c'),
    };
    const worker = await start(
      async ({ job }) => {
        if (job.prompt === 'a')
          throw new ExecutorError('model_billing_error', 'No credit.', { retryable: false });
        if (job.prompt === 'b')
          throw new ExecutorError('model_overloaded', 'Overloaded.', { retryable: true });
        throw new Error('/home/jane/secret broke\n    at somewhere.ts:1');
      },
      { untilIdle: true },
    );
    expect(await worker.done).toMatchObject({ failed: 1, retried: 2 });
    expect(await jobOf(ids.hopeless)).toMatchObject({ status: 'failed', error_code: 'model_billing_error' });
    expect(await jobOf(ids.unlucky)).toMatchObject({
      status: 'pending',
      error_code: 'model_overloaded',
      attempt: 1,
    });
    expect(await jobOf(ids.broken)).toMatchObject({ status: 'pending', error_code: 'worker_error' });
    expect((await eventsOf(hopeless.sessionId)).at(-1)).toMatchObject({
      type: 'error',
      payload: { code: 'model_billing_error', message: 'No credit.', retryable: false },
    });
    expect(JSON.stringify(await eventsOf(broken.sessionId))).not.toContain('jane');
    expect(JSON.stringify(await jobOf(ids.broken))).not.toContain('jane');
  });

  it('ends a job that runs too long', async () => {
    const id = await enqueue(await createSession());
    const worker = await start(hanging().run, { untilIdle: true, jobTimeoutMs: 100 });
    expect(await worker.done).toMatchObject({ failed: 1 });
    expect(await jobOf(id)).toMatchObject({ status: 'failed', error_code: 'timeout' });
  });

  it('stops the agent of a job that its owner cancels', async () => {
    const session = await createSession();
    const id = await enqueue(session);
    const agent = hanging();
    const worker = await start(agent.run, { leaseMs: 1_500, untilIdle: true });
    await until(() => agent.started() === 1);
    await db.sql.query('update public.coding_jobs set cancel_requested_at = now() where id = $1', [id]);
    expect(await worker.done).toMatchObject({ cancelled: 1 });
    expect(await statusOf(id)).toBe('cancelled');
    expect((await eventsOf(session.sessionId)).at(-1)).toMatchObject({ payload: { status: 'cancelled' } });
  });

  it('gives its jobs back when it is stopped, the attempt not counted', async () => {
    const session = await createSession();
    const id = await enqueue(session);
    const agent = hanging();
    const worker = await start(agent.run);
    await until(() => agent.started() === 1);
    expect(await worker.stop()).toMatchObject({ released: 1 });
    expect(await jobOf(id)).toMatchObject({ status: 'pending', attempt: 0, worker_id: null });

    const next = await start(async () => done, { untilIdle: true });
    expect(await next.done).toMatchObject({ completed: 1 });
    expect((await jobOf(id)).attempt).toBe(1);
  });

  it('stops working on a job that another worker took over, and writes nothing more to it', async () => {
    const session = await createSession();
    const id = await enqueue(session);
    const agent = hanging();
    const worker = await start(agent.run, { leaseMs: 1_500, untilIdle: true });
    await until(() => agent.started() === 1);
    await db.sql.query(
      "update public.coding_jobs set worker_id = 'other', attempt = attempt + 1, lease_expires_at = now() + interval '1 hour' where id = $1",
      [id],
    );
    const before = await eventsOf(session.sessionId);
    expect(await worker.done).toMatchObject({ lost: 1 });
    expect(await jobOf(id)).toMatchObject({ status: 'processing', worker_id: 'other' });
    expect(await eventsOf(session.sessionId)).toEqual(before);
  });

  it('takes back the job of a worker that died', async () => {
    const session = await createSession();
    const id = await enqueue(session);
    await db.sql.query("select private.claim_jobs('dead', 1, interval '-1 second')");
    expect(await statusOf(id)).toBe('processing');
    const worker = await start(async () => done, { untilIdle: true });
    await worker.done;
    expect(await jobOf(id)).toMatchObject({ status: 'pending', error_code: 'lease_expired', attempt: 1 });
  });

  it('goes on after its connections were cut', async () => {
    const worker = await start(async () => done, { pollMs: 200 });
    await db.sql.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'mobvibe-worker%'",
    );
    const id = await enqueue(await createSession());
    await until(async () => (await statusOf(id)) === 'completed');
    expect(await worker.stop()).toMatchObject({ completed: 1 });
  });

  it('stores events however long they are, or strange', async () => {
    const session = await createSession();
    await enqueue(session);
    const texts = ['x'.repeat(300_000), '"\u0001\0\ud800😀'.repeat(20_000), '\\'.repeat(70_000)];
    const worker = await start(
      async ({ emit }) => {
        for (const text of texts) await emit({ type: 'message', payload: { text } });
        await emit({ type: 'tool_use', payload: { tool: 'x', input: { list: Array(40_000).fill(1e300) } } });
        return { ...done, summary: `${'x'.repeat(1_999)}😀\0` };
      },
      { untilIdle: true },
    );
    expect(await worker.done).toMatchObject({ completed: 1 });
    const events = await eventsOf(session.sessionId);
    expect(events.map(({ type }) => type)).toEqual([
      ...['status', 'message', 'message', 'message', 'tool_use', 'completed'],
    ]);
    for (const { payload } of events.slice(1, 5)) expect(payload).toHaveProperty('truncated', true);
  });
});

describe('a lost lease', () => {
  it('refuses every write, by name', async () => {
    const session = await createSession();
    await enqueue(session);
    const pool = new pg.Pool({ connectionString: fixture.workerUrl });
    const queue = createQueue(pool, 'first', 60_000);
    const [job] = await queue.claim(1);
    if (!job) throw new Error('nothing claimed');
    await queue.appendEvents(job, [{ type: 'message', payload: { text: 'mine' } }]);
    await db.sql.query('update public.coding_jobs set attempt = attempt + 1 where id = $1', [job.id]);

    const writes = [
      () => queue.appendEvents(job, [{ type: 'message', payload: { text: 'late' } }]),
      () => queue.updateSession(job, { sandbox_id: 'late' }),
      () => queue.complete(job, {}),
      () => queue.fail(job, { code: 'late', message: 'late', retryable: true }),
      () => queue.release(job),
    ];
    for (const write of writes) {
      const error = await write().then(
        () => undefined,
        (caught: unknown) => caught,
      );
      expect(isLeaseLost(error)).toBe(true);
    }
    expect(await queue.heartbeat([job])).toEqual([{ jobId: job.id, held: false, cancel: false }]);
    expect(await eventsOf(session.sessionId)).toHaveLength(1);
    expect(await sessionOf(session.sessionId)).toMatchObject({ sandbox_id: null });
    await pool.end();
  });
});

describe('starting', () => {
  it('says what is wrong when the database has no queue', async () => {
    const bare = await createTestDatabase('platform');
    const starting = startWorker({
      target: describeTarget(bare.url),
      config: loadWorkerConfig({ data: fixture.data }),
      log: createLog({ level: 'silent' }),
    });
    await expect(starting).rejects.toMatchObject({
      message: expect.stringContaining('no job queue'),
      fix: expect.stringContaining('migrate'),
    });
    await bare.drop();
  });
});
