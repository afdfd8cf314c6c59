import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe as describeTarget } from '@mobvibe/cli';
import { loginUrl } from '@mobvibe/db/connection';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../test/harness/database.ts';
import { createBackpressure } from '../../src/backpressure.ts';
import { loadWorkerConfig, type WorkerConfig } from '../../src/config.ts';
import { NO_USAGE } from '../../src/events/event.ts';
import type { Executor } from '../../src/executor/executor.ts';
import { createFailingExecutor, FAILING_MODES, type FailingMode } from '../../src/executor/failing.ts';
import { jobError } from '../../src/executor/job-errors.ts';
import { createNoopExecutor } from '../../src/executor/noop.ts';
import { createLeases } from '../../src/lease.ts';
import { createLog } from '../../src/log.ts';
import { createQueue } from '../../src/queue/queue.ts';
import { runJob } from '../../src/run-job.ts';
import { openLocalSandboxes } from '../../src/sandbox/local.ts';
import { startWorker, type Worker } from '../../src/worker.ts';

let db: TestDatabase;
let data: string;
const workers: Worker[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
  data = await mkdtemp(join(tmpdir(), 'worker-test-'));
});
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop();
  await db.sql.query('delete from public.projects');
});
afterAll(async () => {
  await db?.drop();
  await rm(data, { recursive: true, force: true });
});

async function workUntilIdle(executor: Executor, config: Partial<WorkerConfig> = {}) {
  const worker = await startWorker({
    target: describeTarget(loginUrl('mobvibe_worker', { url: db.url })),
    // One place: a job that kept it would keep the next one waiting.
    config: {
      ...loadWorkerConfig({ data, lease: 30, concurrency: 1 }),
      anthropic: undefined,
      storage: undefined,
      ...config,
    },
    log: createLog({ level: 'silent' }),
    untilIdle: true,
    executor,
  });
  workers.push(worker);
  return worker.done;
}

async function createSession() {
  const userId = await db.createUser({ tier: 'pro' });
  const { rows } = await db.sql.query<{ id: string }>(
    `with project as (insert into public.projects (user_id, name) values ($1, 'Habits') returning id)
     insert into public.coding_sessions (user_id, project_id) select $1, id from project returning id`,
    [userId],
  );
  return { userId, sessionId: rows[0]?.id ?? '' };
}

/** Two jobs of one session: the first goes wrong in its way, the second is to run all the same. */
async function enqueue(prompt: string) {
  const session = await createSession();
  const insert = (text: string, createdAt: string) =>
    db.sql.query(
      'insert into public.coding_jobs (user_id, session_id, prompt, max_attempts, created_at) values ($1, $2, $3, 1, $4)',
      [session.userId, session.sessionId, text, createdAt],
    );
  await insert(prompt, '2026-01-01');
  await insert('behave', '2026-01-02');
  return session;
}

const jobsOf = async (sessionId: string) =>
  (
    await db.sql.query<{ status: string; error_code: string | null; error_message: string | null }>(
      'select status, error_code, error_message from public.coding_jobs where session_id = $1 order by created_at',
      [sessionId],
    )
  ).rows;

async function expectNoGap(sessionId: string, atMost: number) {
  const { rows } = await db.sql.query<{ seqs: string[]; last: string }>(
    `select s.last_event_seq as last,
       (select array_agg(e.seq order by e.seq) from public.session_events as e where e.session_id = s.id) as seqs
     from public.coding_sessions as s where s.id = $1`,
    [sessionId],
  );
  const seqs = rows[0]?.seqs.map(Number) ?? [];
  expect(seqs).toEqual(seqs.map((_, index) => index + 1));
  expect(Number(rows[0]?.last)).toBe(seqs.length);
  expect(seqs.length).toBeLessThanOrEqual(atMost);
}

/** Does what the prompt says. */
const obedient: Executor = {
  run(execution) {
    const { prompt } = execution.job;
    const executor =
      prompt === 'behave'
        ? createNoopExecutor({ events: [{ type: 'message', payload: { text: 'Done.' } }] })
        : createFailingExecutor({ mode: prompt as FailingMode });
    return executor.run(execution);
  },
};

const EXPECTED: Record<FailingMode, [status: string, code: string | null]> = {
  fail: ['failed', 'agent_failed'],
  throw: ['failed', 'worker_error'],
  reject: ['failed', 'worker_error'],
  misname: ['failed', 'worker_error'],
  hang: ['failed', 'timeout'],
  flood: ['failed', 'output_limit'],
  babble: ['failed', 'output_limit'],
  shout: ['completed', null],
  tangle: ['completed', null],
  invent: ['failed', 'executor_fault'],
  miscount: ['failed', 'executor_fault'],
  forget: ['failed', 'executor_fault'],
  linger: ['completed', null],
};

describe('a worker whose executor goes wrong', () => {
  it.each(FAILING_MODES.filter((mode) => mode !== 'hang'))(
    'ends the job with a code, without a gap in its events, and goes on with the next: %s',
    async (mode) => {
      const { sessionId } = await enqueue(mode);
      await workUntilIdle(obedient);
      const [first, second] = await jobsOf(sessionId);
      const [status, error_code] = EXPECTED[mode];
      expect(first).toMatchObject({ status, error_code });
      expect(first?.error_message ?? '').not.toContain('jane');
      expect(second).toMatchObject({ status: 'completed' });
      await expectNoGap(sessionId, 10_020);
    },
  );

  it('does not wait for ever for one that hangs', async () => {
    const { sessionId } = await enqueue('hang');
    await workUntilIdle(obedient, { jobTimeoutMs: 500 });
    expect(await jobsOf(sessionId)).toMatchObject([
      { status: 'failed', error_code: 'timeout' },
      { status: 'completed' },
    ]);
    await expectNoGap(sessionId, 20);
  });

  it('ends a job whose tier has no limits, which cannot be run', async () => {
    const { sessionId } = await enqueue('behave');
    const pool = new pg.Pool({ connectionString: loginUrl('mobvibe_worker', { url: db.url }) });
    const queue = createQueue(pool, 'worker', 60_000);
    const [job] = await queue.claim(1);
    if (!job) throw new Error('nothing claimed');
    // A tier without limits claims nothing: they go in between.
    await db.sql.query("update public.profiles set tier = 'team'");
    await db.sql.query("delete from private.tier_limits where tier = 'team'");
    const log = createLog({ level: 'silent' });
    const leases = createLeases(queue, 60_000, log);
    const outcome = await runJob(leases.hold(job), {
      queue,
      sandboxes: await openLocalSandboxes(data),
      executor: { run: () => expect.unreachable() },
      jobTimeoutMs: 60_000,
      backpressure: createBackpressure(),
      log,
    });
    await leases.close();
    await pool.end();
    expect(outcome).toBe('failed');
    expect((await jobsOf(sessionId))[0]).toMatchObject({ status: 'failed', error_code: 'unknown_tier' });
    await expectNoGap(sessionId, 1);
  });

  it('is not given a prompt over the limit at all', async () => {
    await expect(enqueue('x'.repeat(32_001))).rejects.toMatchObject({ code: '23514' });
  });

  it('knows what a failed attempt used', async () => {
    const { userId, sessionId } = await enqueue('spend');
    await workUntilIdle({
      async run({ job, reportUsage }) {
        const usage = { ...NO_USAGE, input_tokens: 100, output_tokens: 20 };
        reportUsage(usage);
        if (job.prompt === 'spend') throw jobError('agent_failed');
        return { summary: '', usage, cost_usd: 0, turns: 1 };
      },
    });
    expect(await jobsOf(sessionId)).toMatchObject([{ status: 'failed' }, { status: 'completed' }]);
    const { rows } = await db.sql.query('select tokens_used from public.profiles where id = $1', [userId]);
    expect(Number(rows[0].tokens_used)).toBe(240);
  });
});
