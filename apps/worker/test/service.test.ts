import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { ExecutorError } from '../src/executor/executor.ts';
import { createLog } from '../src/log.ts';
import { createFixture, done, type Fixture, gate, hanging } from './fixture.ts';
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

const http = { host: '127.0.0.1', port: 0 };

const statusCode = async (url: string) => (await fetch(url)).status;

/** The samples of a Prometheus text, by name and labels. Throws where a line is none. */
async function scrape(url = ''): Promise<Record<string, number>> {
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const samples: Record<string, number> = {};
  const described = new Set<string>();
  for (const line of (await response.text()).split('\n').filter(Boolean)) {
    const comment = /^# (?:HELP|TYPE) (\w+) \S/.exec(line);
    if (comment) {
      described.add(comment[1] as string);
      continue;
    }
    const [, name, labels = '', value] = /^(\w+)(\{(?:\w+="[^"]*",?)*\})? (\S+)$/.exec(line) ?? [];
    if (!name) throw new Error(`no sample: ${line}`);
    expect(described).toContain(described.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''));
    samples[`${name}${labels}`] = Number(value);
  }
  return samples;
}

describe('the health endpoints', () => {
  it('tell a process that works from one that can take jobs', async () => {
    const agent = hanging();
    const worker = await fixture.start(agent.run, { http, through: proxy.url });
    const healthz = `${worker.url}/healthz`;
    const readyz = `${worker.url}/readyz`;
    expect([await statusCode(healthz), await statusCode(readyz)]).toEqual([200, 200]);

    proxy.down();
    expect([await statusCode(healthz), await statusCode(readyz)]).toEqual([200, 503]);
    proxy.up();
    await until(async () => (await statusCode(readyz)) === 200);

    await fixture.enqueue(await fixture.createSession());
    await until(() => agent.started() === 1);
    const stopped = worker.stop({ graceMs: 60_000 });
    expect([await statusCode(healthz), await statusCode(readyz)]).toEqual([200, 503]);
    worker.stop();
    expect(await stopped).toMatchObject({ released: 1 });
    await expect(fetch(healthz)).rejects.toThrow();
  });

  it('say which port is taken', async () => {
    const worker = await fixture.start(async () => done, { http });
    const port = Number(new URL(worker.url ?? '').port);
    await expect(fixture.start(async () => done, { http: { ...http, port } })).rejects.toMatchObject({
      message: expect.stringContaining(`127.0.0.1:${port}: EADDRINUSE`),
      fix: expect.stringContaining('--port'),
    });
  });
});

describe('the metrics', () => {
  it('are Prometheus text, and move with what happens', async () => {
    const hold = gate();
    let started = 0;
    const worker = await fixture.start(
      async ({ emit, job }) => {
        started++;
        await emit({ type: 'message', payload: { text: 'hello' } });
        await hold.opened;
        if (job.prompt === 'fail') throw new ExecutorError('agent_failed', 'No.', { retryable: false });
        return done;
      },
      { http },
    );
    const before = await scrape(worker.url);
    expect(before).toMatchObject({
      'mobvibe_queue_jobs{status="due"}': 0,
      'mobvibe_queue_jobs{status="processing"}': 0,
      mobvibe_queue_oldest_due_seconds: 0,
      mobvibe_worker_places: 2,
      mobvibe_worker_jobs_running: 0,
      mobvibe_worker_events_appended_total: 0,
      mobvibe_worker_job_wait_seconds_count: 0,
    });
    expect(before).toHaveProperty('process_cpu_seconds_total');

    const ids = [
      await fixture.enqueue(await fixture.createSession()),
      await fixture.enqueue(await fixture.createSession(), 'fail'),
    ];
    await until(() => started === 2);
    await fixture.enqueue(await fixture.createSession());
    expect((await scrape(worker.url)).mobvibe_worker_jobs_running).toBe(2);
    hold.open();
    await until(async () => (await scrape(worker.url)).mobvibe_worker_jobs_running === 0 && started === 3);
    const after = await scrape(worker.url);
    expect(await Promise.all(ids.map(fixture.statusOf))).toEqual(['completed', 'failed']);
    expect(after).toMatchObject({
      'mobvibe_worker_job_duration_seconds_count{outcome="completed"}': 2,
      'mobvibe_worker_job_duration_seconds_count{outcome="failed"}': 1,
      mobvibe_worker_job_wait_seconds_count: 3,
      mobvibe_worker_lease_losses_total: 0,
      // started, message, completed or error
      mobvibe_worker_events_appended_total: 9,
    });
    expect(after.mobvibe_worker_claim_duration_seconds_count).toBeGreaterThan(
      before.mobvibe_worker_claim_duration_seconds_count ?? Number.NaN,
    );
    expect(after['mobvibe_worker_claim_duration_seconds_bucket{le="+Inf"}']).toBe(
      after.mobvibe_worker_claim_duration_seconds_count,
    );
  });

  it('say nothing of the queue while the database is away', async () => {
    const worker = await fixture.start(async () => done, { http, through: proxy.url });
    proxy.down();
    const samples = await scrape(worker.url);
    proxy.up();
    expect(Object.keys(samples).filter((name) => name.startsWith('mobvibe_queue'))).toEqual([]);
    expect(samples).toHaveProperty('mobvibe_worker_places', 2);
  });
});

describe('stopping', () => {
  it('lets what runs end within the grace time, and claims nothing more', async () => {
    const hold = gate();
    let started = 0;
    const worker = await fixture.start(async () => {
      started++;
      await hold.opened;
      return done;
    });
    const first = await fixture.enqueue(await fixture.createSession());
    await until(() => started === 1);
    const stopped = worker.stop({ graceMs: 60_000 });
    const second = await fixture.enqueue(await fixture.createSession());
    hold.open();
    expect(await stopped).toMatchObject({ completed: 1, released: 0 });
    expect([await fixture.statusOf(first), await fixture.statusOf(second)]).toEqual(['completed', 'pending']);
    const { rows } = await db.sql.query('select stopped_at from private.workers where id = $1', [worker.id]);
    expect(rows[0].stopped_at).toBeInstanceOf(Date);
  });

  it('gives back what has not ended by then', async () => {
    const agent = hanging();
    const worker = await fixture.start(agent.run);
    const id = await fixture.enqueue(await fixture.createSession());
    await until(() => agent.started() === 1);
    const started = performance.now();
    expect(await worker.stop({ graceMs: 300 })).toMatchObject({ released: 1 });
    expect(performance.now() - started).toBeGreaterThan(295);
    expect(await fixture.jobOf(id)).toMatchObject({ status: 'pending', attempt: 0 });
  });
});

describe('looking for jobs', () => {
  it('runs a retry when it is due, long before the next poll', async () => {
    let runs = 0;
    await fixture.start(
      async () => {
        if (runs++ === 0) throw new ExecutorError('model_overloaded', 'Overloaded.', { retryable: true });
        return done;
      },
      { pollMs: 3_600_000 },
    );
    const id = await fixture.enqueue(await fixture.createSession());
    await until(async () => (await fixture.statusOf(id)) === 'completed');
    expect(await fixture.jobOf(id)).toMatchObject({ attempt: 2 });
  });

  it('finds what was announced to nobody', async () => {
    const worker = await fixture.start(async () => done, { pollMs: 2_000 });
    const session = await fixture.createSession();
    // As where a pooler swallows it, or the insert overlapped the moment the worker became idle.
    await db.sql.query('alter table public.coding_jobs disable trigger coding_jobs_notify_workers');
    const id = await fixture.enqueue(session);
    await db.sql.query('alter table public.coding_jobs enable trigger coding_jobs_notify_workers');
    await until(async () => (await fixture.statusOf(id)) === 'completed');
    expect(await worker.stop()).toMatchObject({ completed: 1 });
  });

  it('claims nothing new while events cannot be written in time', async () => {
    const [slow, other] = [await fixture.createSession(), await fixture.createSession()];
    const locked = gate();
    let started = 0;
    const worker = await fixture.start(
      async ({ emit }) => {
        started++;
        if (started === 1) {
          await locked.opened;
          await emit({ type: 'message', payload: { text: 'waits' } });
        }
        return done;
      },
      { leaseMs: 60_000, pollMs: 200, http },
    );
    const first = await fixture.enqueue(slow);
    await until(() => started === 1);
    await db.sql.query('begin');
    await db.sql.query('select from public.coding_sessions where id = $1 for update', [slow.sessionId]);
    locked.open();
    const claims = async () => (await scrape(worker.url)).mobvibe_worker_claim_duration_seconds_count;
    // It polls every 200 ms, until the append has waited for a second.
    let last = await claims();
    let sameFor = 0;
    await until(async () => {
      const now = await claims();
      sameFor = now === last ? sameFor + 1 : 0;
      last = now;
      return sameFor > 60;
    });
    await db.sql.query('commit');
    const second = await fixture.enqueue(other);
    await until(async () => (await fixture.statusOf(second)) === 'completed');
    expect(await fixture.statusOf(first)).toBe('completed');
  });
});

describe('a session that ends while its job runs', () => {
  it('ends the agent', async () => {
    const session = await fixture.createSession();
    const id = await fixture.enqueue(session);
    const agent = hanging();
    const worker = await fixture.start(agent.run, { leaseMs: 1_500, untilIdle: true });
    await until(() => agent.started() === 1);
    await db.sql.query(
      "update public.coding_sessions set expires_at = now() - interval '1 second' where id = $1",
      [session.sessionId],
    );
    expect(await worker.done).toMatchObject({ cancelled: 1 });
    expect(await fixture.statusOf(id)).toBe('cancelled');
  });
});

describe('the log', () => {
  it('names jobs and codes, never what people wrote', async () => {
    const lines: string[] = [];
    const write = process.stderr.write;
    process.stderr.write = ((line: string) => lines.push(line) > 0) as typeof process.stderr.write;
    try {
      const log = createLog({ level: 'debug', terminal: true });
      await fixture.enqueue(await fixture.createSession(), 'my secret diary');
      const worker = await fixture.start(
        async ({ emit }) => {
          await emit({ type: 'message', payload: { text: 'dear diary' } });
          throw new ExecutorError('agent_failed', 'About the diary.', { retryable: false });
        },
        { untilIdle: true, log },
      );
      await worker.done;
    } finally {
      process.stderr.write = write;
    }
    expect(lines.join('')).toContain('agent_failed');
    expect(lines.join('')).not.toMatch(/diary|@example\.com/);
  });
});
