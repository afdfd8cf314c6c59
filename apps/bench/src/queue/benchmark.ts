import { CommandError, withConnection } from '@mobvibe/cli';
import type { Benchmark, Run } from '../core/benchmark.ts';
import type { Group, Result } from '../core/result.ts';
import type { BenchServer } from '../core/server.ts';
import { createCalibration } from './calibrate.ts';
import { openGraphileWorker } from './contenders/graphile-worker.ts';
import { makeSessions, openOurs } from './contenders/ours.ts';
import { openPgBoss } from './contenders/pg-boss.ts';
import { measureBroadcasts } from './parts/broadcasts.ts';
import { measureEnqueue } from './parts/enqueue.ts';
import { makeFinished, measureFinished } from './parts/finished.ts';
import { measureLatency } from './parts/latency.ts';
import type { Bench } from './parts/part.ts';
import { measureProcesses } from './parts/processes.ts';
import { measureOldSnapshot } from './parts/snapshot.ts';
import { measureBatches, measureThroughput } from './parts/throughput.ts';
import { FULL, QUICK, type Scale } from './scale.ts';

/** What needs no more than the three contenders, in the order in which it is measured. */
const PARTS: Record<string, (bench: Bench) => Promise<Group[]>> = {
  throughput: measureThroughput,
  batches: measureBatches,
  latency: measureLatency,
  enqueue: measureEnqueue,
  snapshot: measureOldSnapshot,
  processes: measureProcesses,
  broadcasts: measureBroadcasts,
};
const FINISHED = 'finished';

export const queue = queueBenchmark(FULL, QUICK);

/** The job queue with all its rules against graphile-worker and pg-boss. */
export function queueBenchmark(full: Scale, quick = full): Benchmark {
  return {
    name: 'queue',
    description: 'the job queue against graphile-worker and pg-boss',
    rounds: { full: 10, quick: 2 },
    parts: [...Object.keys(PARTS), FINISHED],
    run: (run) => measure(run, run.quick ? quick : full),
  };
}

async function measure(run: Run, scale: Scale): Promise<Pick<Result, 'rows' | 'groups'>> {
  const server = await emptyServer(run.server);
  const { only, signal } = run;
  const isWanted = (part: string) => only === undefined || only === part;
  const closers: (() => Promise<unknown>)[] = [];
  const opened = async <T>(opening: Promise<T>, close: (what: T) => Promise<unknown>): Promise<T> => {
    const what = await opening;
    closers.push(() => close(what));
    return what;
  };
  try {
    await makeSessions(server.admin, scale);
    // First, since it copies a database to which nobody may be connected.
    const finished = isWanted(FINISHED)
      ? await opened(makeFinished(server, scale), ({ drop }) => drop())
      : undefined;
    const bench: Bench = {
      run: { ...run, warmup: Math.min(run.warmup, 1) },
      scale,
      ours: await opened(openOurs(server), ({ close }) => close()),
      graphileWorker: await opened(openGraphileWorker(server), ({ close }) => close()),
      pgBoss: await opened(openPgBoss(server), ({ close }) => close()),
      calibrate: createCalibration(scale, signal),
    };
    const groups: Group[] = [];
    for (const [part, measurePart] of Object.entries(PARTS)) {
      if (isWanted(part)) groups.push(...(await measurePart(bench)));
    }
    if (finished) groups.push(...(await measureFinished(bench, finished)));
    return { rows: rowsOf(scale), groups };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** @throws CommandError unless the server is our own, with nothing in it: here every job is claimed, and removed. */
async function emptyServer({ target, admin }: BenchServer): Promise<Required<BenchServer>> {
  if (!admin) {
    throw new CommandError(
      'this benchmark claims every job that it finds, and removes it: it needs a server of its own',
      'run it without DATABASE_URL',
    );
  }
  const { rows } = await withConnection(target, (client) =>
    client.query('select exists (select from public.profiles) as "isUsed"'),
  );
  if (rows[0].isUsed) throw new Error('the database of the benchmark is not empty');
  return { target, admin };
}

/** The shape of what was measured on; the jobs are waiting, and in a slice. */
const rowsOf = ({ users, sessions, jobsOf, batches, best, finished }: Scale): Result['rows'] => ({
  users,
  coding_sessions: users * sessions,
  ...Object.fromEntries([...new Set([...batches, ...best])].map((b) => [`jobs (batch ${b})`, jobsOf(b)])),
  'finished jobs': finished,
});
