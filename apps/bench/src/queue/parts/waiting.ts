import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from '@mobvibe/cli';
import { loginUrl } from '@mobvibe/db/connection';
import { createNoopExecutor, loadWorkerConfig, type Sandboxes, startWorker } from '@mobvibe/worker';
import { makeWorkerUtils, run } from 'graphile-worker';
import { PgBoss } from 'pg-boss';
import pino from 'pino';
import { v7 } from 'uuid';
import { quiet } from '../contenders/graphile-worker.ts';
import type { Ours } from '../contenders/ours.ts';

/** A worker that waits for jobs, in this process. */
export interface Waiting {
  /** Adds a job. @returns ms from before the call until the worker has started it. */
  started(): Promise<number>;
  /** The same, until the worker has prepared all that an executor needs. */
  executing?(): Promise<number>;
  close(): Promise<void>;
}

const NAME = 'waiting';
const CONCURRENCY = 10;
const TIMEOUT_MS = 10_000;

/** Durations that end where the key is heard of. */
function createStopwatch() {
  const running = new Map<string, (ended: number) => void>();
  return {
    stop: (key: string) => running.get(key)?.(performance.now()),
    async time(key: string, add: () => Promise<unknown>): Promise<number> {
      let timer: NodeJS.Timeout | undefined;
      const ended = new Promise<number>((resolve, reject) => {
        running.set(key, resolve);
        timer = setTimeout(() => reject(new Error('no worker started a job')), TIMEOUT_MS);
      });
      const began = performance.now();
      try {
        const [end] = await Promise.all([ended, add()]);
        return end - began;
      } finally {
        clearTimeout(timer);
        running.delete(key);
      }
    },
  };
}

/** The whole worker of this repository, with an executor that does nothing, in a sandbox that is nowhere. */
export async function openOursWaiting(ours: Ours): Promise<Waiting> {
  const started = createStopwatch();
  const executing = createStopwatch();
  const data = await mkdtemp(join(tmpdir(), 'mobvibe-bench-'));
  const noop = createNoopExecutor();
  const worker = await startWorker({
    target: describe(loginUrl('mobvibe_worker', { url: ours.url })),
    config: {
      ...loadWorkerConfig({ data, concurrency: CONCURRENCY }),
      anthropic: undefined,
      fly: undefined,
      storage: undefined,
      http: undefined,
    },
    log: pino({ base: null }, { write: (line: string) => started.stop(startedJob(line)) }),
    sandboxes: nowhere(data),
    executor: {
      run: (execution) => {
        executing.stop(execution.job.id);
        return noop.run(execution);
      },
    },
  });
  const timed = (stopwatch: typeof started) => () => {
    const id = v7();
    return stopwatch.time(id, () => ours.addWithId(id));
  };
  return {
    started: timed(started),
    executing: timed(executing),
    async close() {
      await worker.stop({ graceMs: TIMEOUT_MS });
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** The id of the job that this line of the worker's log says is started. */
function startedJob(line: string): string {
  const { msg, job_id } = JSON.parse(line);
  return msg === 'job started' ? job_id : '';
}

const nowhere = (directory: string): Sandboxes => ({
  open: async () => ({
    id: 'bench:0',
    project: directory,
    home: directory,
    preview: async () => ({}),
    files: async () => [],
    fingerprints: async () => [],
    read: async function* () {},
  }),
  list: async () => [],
  end: async () => {},
});

/** Without a local queue, which would trade latency for throughput. */
export async function openGraphileWaiting(url: string): Promise<Waiting> {
  const stopwatch = createStopwatch();
  const runner = await run({
    connectionString: url,
    taskList: {
      [NAME]: (payload) => {
        stopwatch.stop((payload as { id: string }).id);
      },
    },
    noHandleSignals: true,
    logger: quiet,
    preset: { worker: { concurrentJobs: CONCURRENCY, maxPoolSize: CONCURRENCY + 2 } },
  });
  const utils = await makeWorkerUtils({ connectionString: url, logger: quiet });
  return {
    started: () => {
      const id = v7();
      return stopwatch.time(id, () => utils.addJob(NAME, { id }));
    },
    async close() {
      await runner.stop();
      await utils.release();
    },
  };
}

/** Woken by NOTIFY, with the shortest interval of polling that it takes. */
export async function openPgBossWaiting(url: string): Promise<Waiting> {
  const stopwatch = createStopwatch();
  const boss = new PgBoss({
    connectionString: url,
    max: CONCURRENCY + 2,
    supervise: false,
    schedule: false,
    useListenNotify: true,
  });
  await boss.start();
  await boss.createQueue(NAME, { partition: true, notify: true });
  const options = { pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5 };
  await boss.work<{ id: string }>(NAME, options, async (jobs) => {
    for (const { data } of jobs) stopwatch.stop(data.id);
  });
  return {
    started: () => {
      const id = v7();
      return stopwatch.time(id, () => boss.send(NAME, { id }));
    },
    close: () => boss.stop({ graceful: false }),
  };
}
