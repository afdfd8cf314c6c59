import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError, withConnection } from '@mobvibe/cli';
import { loginUrl } from '@mobvibe/db/connection';
import { makeKeys, startApi } from '@mobvibe/local/api';
import pg from 'pg';
import type { Benchmark, Run } from '../core/benchmark.ts';
import { groupOf } from '../core/group.ts';
import { type Contender, interleave } from '../core/interleave.ts';
import type { Result } from '../core/result.ts';
import { createAudience } from './audience.ts';
import { createRunningJob, type RunningJob } from './running-job.ts';

const EVENTS_A_SLICE = 20;
const BURST = 1_000;
const BURST_BATCH = 50;

export const realtime = realtimeBenchmark([1, 200]);

/** How long an appended event takes to the callback of `followSession`, and how many a second get there. */
export function realtimeBenchmark(audiences: number[]): Benchmark {
  return {
    name: 'realtime',
    description: 'an event of the worker on its way to the phones that follow the session',
    rounds: { full: 20, quick: 3 },
    run: (run) => measure(run, audiences),
  };
}

async function measure(run: Run, audiences: number[]): Promise<Pick<Result, 'rows' | 'groups'>> {
  const { target, admin } = run.server;
  if (!admin)
    throw new CommandError(
      'this benchmark serves the API itself, which a named database does not let it',
      'leave DATABASE_URL out',
    );
  const directory = await mkdtemp(join(tmpdir(), 'mobvibe-bench-'));
  const pool = new pg.Pool({ connectionString: loginUrl('mobvibe_worker', { url: target.url }), max: 2 });
  pool.on('error', () => {});
  const closers: (() => Promise<unknown>)[] = [
    () => rm(directory, { recursive: true, force: true }),
    () => pool.end(),
  ];
  try {
    const keys = await makeKeys();
    const api = await startApi({ databaseUrl: target.url, keys, directory, port: 0 });
    closers.push(() => api.close());
    const followed = [];
    for (const size of audiences) {
      const job = await withConnection(target, (client) => createRunningJob(client, pool));
      const audience = await createAudience({ url: api.url, keys, job, size });
      closers.push(() => audience.close());
      followed.push({ job, audience, name: `${size} ${size === 1 ? 'subscriber' : 'subscribers'}` });
    }

    const latency = await interleave(
      followed.map(
        ({ job, audience, name }): Contender => ({ name, slice: () => oneByOne(job, audience.next) }),
      ),
      run,
    );
    const bursts = await interleave(
      followed.map(
        ({ job, audience, name }): Contender => ({ name, slice: () => burst(job, audience.reached) }),
      ),
      { ...run, rounds: Math.max(2, Math.round(run.rounds / 4)), warmup: 1 },
    );
    const events = followed.reduce((sum, { job }) => sum + job.last, 0);
    return {
      rows: { session_events: events },
      groups: [
        groupOf('append to callback, one event after another', 'ms', latency),
        groupOf(
          `${BURST} events in batches of ${BURST_BATCH}, as fast as they go, until all have all`,
          'per second',
          bursts,
        ),
      ],
    };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Each event is awaited by all before the next is appended: from before the append to each callback, in ms. */
async function oneByOne(job: RunningJob, next: (seq: number) => Promise<number[]>): Promise<number[]> {
  const samples: number[] = [];
  for (let n = 0; n < EVENTS_A_SLICE; n++) {
    const arrivals = next(job.last + 1);
    const started = performance.now();
    await job.append(1);
    samples.push(...(await arrivals).map((at) => at - started));
  }
  return samples;
}

async function burst(job: RunningJob, reached: (seq: number) => Promise<void>): Promise<number[]> {
  const all = reached(job.last + BURST);
  const started = performance.now();
  for (let n = 0; n < BURST; n += BURST_BATCH) await job.append(BURST_BATCH);
  await all;
  return [(BURST * 1000) / (performance.now() - started)];
}
