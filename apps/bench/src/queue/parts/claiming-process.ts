import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from '@mobvibe/cli';
import { loginUrl } from '@mobvibe/db/connection';
import { type Claim, createQueue, type Queue } from '@mobvibe/worker';
import type pg from 'pg';
import { openPool } from '../contenders/database.ts';

export type ToProcess = { connect: string } | { batch: number } | 'stop';
/** How many jobs have ended since it last said so; at the end the ids of all. */
export type FromProcess = 'ready' | { ended: number } | { ids: string[] };

const LEASE_MS = 60_000;
// Others hold what is left: looking again at once would only take their time.
const EMPTY_MS = 5;

let pool: pg.Pool | undefined;
let queue: Queue | undefined;
let stopped = true;

const say = (message: FromProcess) => process.send?.(message);

async function connect(url: string): Promise<void> {
  const { url: login } = describe(loginUrl('mobvibe_worker', { url }));
  pool = openPool({ connectionString: login, max: 2 });
  queue = createQueue(pool, `bench-process-${process.pid}`, LEASE_MS);
  await queue.register('bench', process.pid, '0');
  say('ready');
}

async function claimUntilStopped(from: Queue, batch: number): Promise<void> {
  const ids: string[] = [];
  stopped = false;
  let next = from.claim(batch);
  while (!stopped) {
    const jobs = await next;
    if (jobs.length === 0) await sleep(EMPTY_MS);
    next = from.claim(batch);
    await end(from, jobs, ids);
  }
  await end(from, await next, ids);
  say({ ids });
}

async function end(from: Queue, jobs: Claim[], ids: string[]): Promise<void> {
  if (jobs.length === 0) return;
  await Promise.all(jobs.map((job) => from.complete(job, {})));
  ids.push(...jobs.map(({ id }) => id));
  say({ ended: jobs.length });
}

process.on('message', (message: ToProcess) => {
  if (message === 'stop') stopped = true;
  else if ('connect' in message) void connect(message.connect);
  else if (queue) void claimUntilStopped(queue, message.batch);
});
process.on('disconnect', () => void pool?.end());
