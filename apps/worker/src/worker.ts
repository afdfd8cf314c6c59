import { hostname } from 'node:os';
import { CommandError, connectionError, errorCode, type Target } from '@mobvibe/cli';
import pg from 'pg';
import manifest from '../package.json' with { type: 'json' };
import type { WorkerConfig } from './config.ts';
import { createClaudeExecutor } from './executor/claude/claude.ts';
import type { Executor } from './executor/executor.ts';
import { createLeases } from './lease.ts';
import { createLog, type Log } from './log.ts';
import { startMaintenance } from './maintenance.ts';
import type { ModelApi } from './model-api/model-api.ts';
import { openAnthropicRelay } from './model-api/relay.ts';
import { openScriptedModelApi } from './model-api/scripted.ts';
import { type ClaimedJob, createQueue, type Queue } from './queue/queue.ts';
import { type Outcome, runJob } from './run-job.ts';
import { openLocalSandboxes } from './sandbox/local.ts';
import type { Sandboxes } from './sandbox/sandbox.ts';
import { createWakeup, listen, type Wakeup } from './wakeup.ts';

export interface StartWorkerOptions {
  target: Target;
  config: WorkerConfig;
  /** Stop when nothing is due and nothing runs. */
  untilIdle?: boolean;
  /** Claim no more than this many jobs, and stop when they have ended. */
  jobs?: number;
  log?: Log;
  /** Instead of the Claude Agent SDK. */
  executor?: Executor;
  /** Instead of directories of this machine. */
  sandboxes?: Sandboxes;
}

/** How many attempts ended how. */
export type WorkerSummary = Record<Outcome, number>;

export interface Worker {
  id: string;
  /** Claims nothing more, stops what runs and gives it back. Resolves when everything is closed. */
  stop(): Promise<WorkerSummary>;
  /** Resolves when the worker has ended: stopped, or idle where that was asked. */
  done: Promise<WorkerSummary>;
}

// Slow enough that a person can follow the scripted run.
const SCRIPTED_PIECE_MS = 15;

/**
 * Starts a worker in this process.
 * @throws CommandError when the database cannot be reached or has no queue, or sandboxes cannot be made.
 */
export async function startWorker(options: StartWorkerOptions): Promise<Worker> {
  const { config, target, log = createLog() } = options;
  const closers: (() => Promise<unknown>)[] = [];
  const closeAll = async () => {
    for (const close of closers.reverse()) await close();
  };
  try {
    const sandboxes = options.sandboxes ?? (await openLocalSandboxes(config.dataDirectory));
    const pool = openPool(target, config);
    closers.push(() => pool.end());
    const queue = createQueue(pool, config.workerId, config.leaseMs);
    await queue.register(hostname().slice(0, 255), process.pid, manifest.version).catch((error) => {
      throw databaseError(error, target);
    });
    const wakeup = createWakeup();
    const listener = await listen(target, wakeup, log);
    closers.push(() => listener.close());
    const executor = options.executor ?? (await openAgent(config, log, closers));
    const leases = createLeases(queue, config.leaseMs, log);
    closers.push(() => leases.close());
    const maintenance = startMaintenance({ queue, wakeup, intervalMs: config.leaseMs, log });
    closers.push(() => maintenance.close());
    await maintenance.firstRound;

    log.info({ worker_id: config.workerId, concurrency: config.concurrency }, 'worker started');
    const context = { queue, sandboxes, executor, jobTimeoutMs: config.jobTimeoutMs, log };
    const loop = claimLoop({
      queue,
      wakeup,
      log,
      concurrency: config.concurrency,
      pollMs: config.pollMs,
      untilIdle: options.untilIdle ?? false,
      jobs: options.jobs ?? Number.POSITIVE_INFINITY,
      async run(job) {
        const lease = leases.hold(job);
        try {
          return await runJob(lease, context);
        } finally {
          leases.drop(lease);
        }
      },
      stopRunning: () => {
        for (const lease of leases.all()) lease.stop('shutdown');
      },
    });
    const done = loop.done
      .catch((error) => {
        throw databaseError(error, target);
      })
      .finally(closeAll)
      .then((summary) => {
        log.info(summary, 'worker stopped');
        return summary;
      });
    return {
      id: config.workerId,
      done,
      stop() {
        loop.stop();
        return done;
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

interface ClaimLoopOptions {
  queue: Pick<Queue, 'claim'>;
  wakeup: Wakeup;
  log: Log;
  concurrency: number;
  pollMs: number;
  untilIdle: boolean;
  jobs: number;
  run(job: ClaimedJob): Promise<Outcome>;
  stopRunning(): void;
}

/** Claims for free places only: a job that waited here would only run its lease down. */
function claimLoop(options: ClaimLoopOptions): { done: Promise<WorkerSummary>; stop(): void } {
  const { queue, wakeup, log, concurrency, pollMs, untilIdle } = options;
  const summary: WorkerSummary = { completed: 0, failed: 0, retried: 0, cancelled: 0, released: 0, lost: 0 };
  const running = new Set<Promise<void>>();
  let left = options.jobs;
  let stopping = false;

  function start(job: ClaimedJob): void {
    const run = options
      .run(job)
      .then((outcome) => {
        summary[outcome]++;
      })
      .finally(() => {
        running.delete(run);
        // A place is free, and the session's or the user's next job may have become due.
        wakeup.wake();
      });
    running.add(run);
  }

  async function claimWhileWanted(): Promise<void> {
    while (!stopping) {
      const { generation } = wakeup;
      const free = Math.min(concurrency - running.size, left);
      if (free > 0) {
        try {
          const claimed = await queue.claim(free);
          claimed.forEach(start);
          left -= claimed.length;
        } catch (error) {
          if (untilIdle) throw error;
          log.warn({ code: errorCode(error) }, 'claiming failed; trying again');
        }
      }
      const isIdle = running.size === 0 && wakeup.generation === generation;
      if (isIdle && (untilIdle || left === 0)) return;
      await wakeup.wait(generation, pollMs);
    }
  }

  async function loop(): Promise<WorkerSummary> {
    try {
      await claimWhileWanted();
    } finally {
      options.stopRunning();
      await Promise.all(running);
    }
    return summary;
  }

  return {
    done: loop(),
    stop() {
      stopping = true;
      wakeup.wake();
    },
  };
}

function openPool(target: Target, { concurrency, leaseMs }: WorkerConfig): pg.Pool {
  const pool = new pg.Pool({
    connectionString: target.url,
    // Jobs write rarely and briefly; one more for claims and heartbeats each.
    max: Math.min(concurrency + 2, 20),
    application_name: 'mobvibe-worker',
    connectionTimeoutMillis: 10_000,
    // A connection that died without a word must not hold the heartbeats up until all leases are gone.
    query_timeout: Math.max(2_000, leaseMs / 3),
    keepAlive: true,
  });
  // An idle connection that breaks is replaced at the next query.
  pool.on('error', () => {});
  return pool;
}

async function openAgent(
  config: WorkerConfig,
  log: Log,
  closers: (() => Promise<unknown>)[],
): Promise<Executor> {
  const modelApi = await openModelApi(config, log);
  closers.push(() => modelApi.close());
  return createClaudeExecutor({ modelApi, system: config.system, ...config.agent });
}

function openModelApi(config: WorkerConfig, log: Log): Promise<ModelApi> {
  if (config.anthropic) return openAnthropicRelay(config.anthropic);
  log.info('no ANTHROPIC_API_KEY: using the scripted model server');
  return openScriptedModelApi({ pieceMs: SCRIPTED_PIECE_MS });
}

// What a database answers in which the queue's schema or functions do not exist, or not for this role.
const NO_QUEUE = new Set(['42883', '3F000', '42501', '42P01']);

function databaseError(error: unknown, target: Target): CommandError {
  if (!NO_QUEUE.has(errorCode(error) ?? '')) return connectionError(error, target);
  return new CommandError(
    `${target.description} has no job queue, or this role may not use it`,
    'pnpm turbo migrate, with the same DATABASE_URL',
    { cause: error },
  );
}
