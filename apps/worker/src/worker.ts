import { hostname } from 'node:os';
import type { Target } from '@mobvibe/cli';
import manifest from '../package.json' with { type: 'json' };
import { createBackpressure } from './backpressure.ts';
import { startClaimLoop, type WorkerSummary } from './claim-loop.ts';
import type { WorkerConfig } from './config.ts';
import { createClaudeExecutor } from './executor/claude/claude.ts';
import type { Executor } from './executor/executor.ts';
import { type Guardian, startGuardian } from './guardian/guardian.ts';
import { type HealthServer, startHealthServer } from './health/server.ts';
import { createLeases } from './lease.ts';
import { createLog, type Log } from './log.ts';
import { createMaintenanceTasks, startMaintenance } from './maintenance.ts';
import { addDatabaseGauges } from './metrics/database-gauges.ts';
import { addProcessMetrics, createMetrics } from './metrics/metrics.ts';
import { addQueueGauges } from './metrics/queue-gauges.ts';
import type { ModelApi } from './model-api/model-api.ts';
import { openAnthropicRelay } from './model-api/relay.ts';
import { openScriptedModelApi } from './model-api/scripted.ts';
import { createPolling } from './polling.ts';
import { databaseError, openPool } from './pool.ts';
import { createOperations } from './queue/operations.ts';
import { type Claim, createQueue } from './queue/queue.ts';
import { runJob } from './run-job.ts';
import { openSandboxes } from './sandbox/open.ts';
import type { Sandboxes } from './sandbox/sandbox.ts';
import { createFileStore } from './storage/file-store.ts';
import { traceJob } from './tracing.ts';
import { createWakeup, listen } from './wakeup.ts';
import { takeReadings } from './watch/readings.ts';

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
  /** Instead of one of its own; the caller closes it. */
  guardian?: Guardian;
}

export interface Worker {
  id: string;
  /** Where /healthz, /readyz and /metrics are, where that was asked. */
  url: string | undefined;
  /**
   * Claims nothing more. What runs may end within `graceMs` (by default at once), is then stopped and given back.
   * Resolves when everything is closed.
   */
  stop(options?: { graceMs?: number }): Promise<WorkerSummary>;
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
    const sandboxes = options.sandboxes ?? (await openSandboxes(config, target.url));
    const guardian = options.guardian ?? (await startGuardian());
    if (!options.guardian) closers.push(() => guardian.close());
    const pool = openPool(target, {
      connections: config.connections,
      // A connection that died without a word must not hold the heartbeats up until all leases are gone.
      queryTimeoutMs: Math.max(2_000, config.leaseMs / 3),
    });
    closers.push(() => pool.end());
    const queue = createQueue(pool, config.workerId, config.leaseMs);
    const operations = createOperations(pool);
    await queue.register(hostname().slice(0, 255), process.pid, manifest.version).catch((error) => {
      throw databaseError(error, target);
    });
    // The registry may take it for live a while longer: no reason to fail.
    closers.push(() => queue.unregister().catch(() => {}));
    const wakeup = createWakeup();
    const listener = await listen(target, wakeup, log);
    closers.push(() => listener.close());
    const executor = options.executor ?? (await openAgent(config, log, closers));
    const leases = createLeases(queue, config.leaseMs, log);
    closers.push(() => leases.close());
    const metrics = createMetrics(config.concurrency);
    let stopping = false;
    const health = await openHealth();
    const tasks = createMaintenanceTasks({ operations, pool, sandboxes, databaseUrl: target.url, log });
    const maintenance = startMaintenance({ tasks, wakeup, leaseMs: config.leaseMs, log });
    closers.push(() => maintenance.close());
    await maintenance.firstRound;

    log.info({ worker_id: config.workerId, concurrency: config.concurrency }, 'worker started');
    const backpressure = createBackpressure();
    const context = {
      queue,
      sandboxes,
      executor,
      fileStore: createFileStore(config.storage, { log, onUpload: metrics.filesStored }),
      jobTimeoutMs: config.jobTimeoutMs,
      backpressure,
      onAppended: metrics.eventsAppended,
      log,
    };
    async function run(job: Claim, asked: number) {
      const lease = leases.hold(job, asked);
      metrics.jobStarted();
      try {
        await guardian.watch(job.sessionId);
        const outcome = await runJob(lease, context);
        metrics.jobEnded(outcome, performance.now() - asked);
        return outcome;
      } finally {
        leases.drop(lease);
        await guardian.unwatch(job.sessionId);
      }
    }
    const loop = startClaimLoop({
      queue,
      wakeup,
      polling: createPolling({ pollMs: config.pollMs, nextDueInMs: queue.nextDueInMs }),
      isBehind: () => backpressure.isBehind,
      log,
      concurrency: config.concurrency,
      leaseMs: config.leaseMs,
      pollMs: config.pollMs,
      untilIdle: options.untilIdle ?? false,
      jobs: options.jobs ?? Number.POSITIVE_INFINITY,
      run: (job, times) => traceJob(job, times, () => run(job, times.asked)),
      onClaim: (claims, { asked, answered }) => metrics.claimed(claims, answered - asked),
      stopLost: (jobId) => {
        for (const lease of leases.all()) if (lease.job.id === jobId) lease.stop('lease_lost');
      },
      stopRunning: () => {
        for (const lease of leases.all()) lease.stop('shutdown');
      },
    });
    const done = loop.done
      .catch((error) => {
        throw databaseError(error, target);
      })
      .finally(() => {
        stopping = true;
        return closeAll();
      })
      .then((summary) => {
        log.info(summary, 'worker stopped');
        return summary;
      });
    return {
      id: config.workerId,
      url: health?.url,
      done,
      stop({ graceMs = 0 } = {}) {
        stopping = true;
        loop.stop(graceMs);
        return done;
      },
    };

    async function openHealth(): Promise<HealthServer | undefined> {
      if (!config.http) return undefined;
      addProcessMetrics(metrics);
      addQueueGauges(metrics, operations.stats);
      addDatabaseGauges(metrics, () => takeReadings(pool));
      const server = await startHealthServer({
        ...config.http,
        isStopping: () => stopping,
        ping: () => pool.query('select 1'),
        registry: metrics.registry,
      });
      closers.push(() => server.close());
      log.info({ url: server.url }, 'serving /healthz, /readyz and /metrics');
      return server;
    }
  } catch (error) {
    await closeAll();
    throw error;
  }
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
