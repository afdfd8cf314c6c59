import { errorCode } from '@mobvibe/cli';
import type { Log } from './log.ts';
import type { Polling } from './polling.ts';
import { isConnectionLost } from './queue/connection-lost.ts';
import type { Claim, Queue } from './queue/queue.ts';
import type { Outcome } from './run-job.ts';
import type { Wakeup } from './wakeup.ts';

/** How many attempts ended how. */
export type WorkerSummary = Record<Outcome, number>;

/** When a claim was asked for and answered. */
export interface ClaimTimes {
  /** `performance.now()`: the lease counts from here. */
  asked: number;
  answered: number;
}

export interface ClaimLoopOptions {
  queue: Pick<Queue, 'claim' | 'held'>;
  wakeup: Wakeup;
  polling: Polling;
  /** The running jobs' writes do not keep up: claim nothing more for now. */
  isBehind(): boolean;
  log: Log;
  concurrency: number;
  leaseMs: number;
  pollMs: number;
  untilIdle: boolean;
  jobs: number;
  run(job: Claim, times: ClaimTimes): Promise<Outcome>;
  /** Called after each answered claim. */
  onClaim(claims: Claim[], times: ClaimTimes): void;
  /** Stops a job that runs here although its lease was lost. */
  stopLost(jobId: string): void;
  /** Jobs that still run when the loop ends are stopped by this. */
  stopRunning(): void;
}

export interface ClaimLoop {
  done: Promise<WorkerSummary>;
  /** Claims nothing more. What runs may go on for `graceMs`, and is stopped then. */
  stop(graceMs: number): void;
}

const BEHIND_POLL_MS = 100;

const attemptOf = (job: Claim) => `${job.id} ${job.attempt}`;

/** Claims for free places only: a job that waited here would only run its lease down. */
export function startClaimLoop(options: ClaimLoopOptions): ClaimLoop {
  const { queue, wakeup, polling, log, leaseMs, untilIdle } = options;
  const summary: WorkerSummary = { completed: 0, failed: 0, retried: 0, cancelled: 0, released: 0, lost: 0 };
  const running = new Map<string, { attempt: number; ended: Promise<void> }>();
  /** Attempts given up here: the database may not know it yet, but they are another's to run again. */
  const givenUp = new Set<string>();
  let left = options.jobs;
  let stopping = false;
  let graceTimer: NodeJS.Timeout | undefined;
  let endGrace = () => {};
  const graceOver = new Promise<void>((resolve) => {
    endGrace = resolve;
  });
  /** When a claim was asked for whose answer was lost: jobs may be held that nobody here knows of. */
  let unanswered: number | undefined;

  function start(job: Claim, times: ClaimTimes): void {
    const earlier = running.get(job.id);
    // The same hold: a crash of the database took the claim back, and here it is again.
    if (earlier?.attempt === job.attempt) return;
    left--;
    if (earlier) options.stopLost(job.id);
    const ended = Promise.resolve(earlier?.ended)
      .then(() => options.run(job, times))
      .then((outcome) => {
        summary[outcome]++;
        if (outcome === 'lost') givenUp.add(attemptOf(job));
      })
      .finally(() => {
        if (running.size >= options.concurrency) polling.restart();
        if (running.get(job.id)?.attempt === job.attempt) running.delete(job.id);
        // A place is free, and the session's or the user's next job may have become due.
        wakeup.wake();
      });
    running.set(job.id, { attempt: job.attempt, ended });
  }

  async function claim(most: number): Promise<Claim[]> {
    const asked = performance.now();
    const isAdopting = unanswered !== undefined && asked - unanswered < leaseMs;
    try {
      const claims = isAdopting
        ? (await queue.held()).filter((job) => !running.has(job.id) && !givenUp.has(attemptOf(job)))
        : await queue.claim(most);
      const times = { asked: isAdopting ? (unanswered as number) : asked, answered: performance.now() };
      unanswered = undefined;
      if (isAdopting && claims.length > 0)
        log.info({ jobs: claims.length }, 'took up what a lost answer named');
      options.onClaim(claims, times);
      for (const job of claims) start(job, times);
      return claims;
    } catch (error) {
      if (isConnectionLost(error)) unanswered ??= asked;
      throw error;
    }
  }

  /** Fills the free places. @returns how long to wait then, unless something wakes us. */
  async function fill(): Promise<number> {
    const free = Math.min(options.concurrency - running.size, left);
    if (free <= 0) return options.pollMs;
    if (options.isBehind()) return BEHIND_POLL_MS;
    const wasUnanswered = unanswered !== undefined;
    const claims = await claim(free);
    if (claims.length > 0) polling.restart();
    if (wasUnanswered) return fill();
    if (claims.length === free) return 0;
    return running.size === 0 && untilIdle ? 0 : polling.next();
  }

  async function claimWhileWanted(): Promise<void> {
    while (!stopping) {
      const { generation } = wakeup;
      let delay: number;
      let looked = true;
      try {
        delay = await fill();
      } catch (error) {
        if (untilIdle && running.size === 0) throw error;
        log.warn({ code: errorCode(error) }, 'claiming failed; trying again');
        looked = false;
        delay = await polling.next();
      }
      const isIdle = looked && running.size === 0 && wakeup.generation === generation;
      if (isIdle && unanswered === undefined && (untilIdle || left === 0)) return;
      if (delay > 0) await wakeup.wait(generation, delay);
    }
  }

  async function loop(): Promise<WorkerSummary> {
    const ended = () => Promise.all([...running.values()].map((run) => run.ended));
    try {
      await claimWhileWanted();
      await Promise.race([ended(), graceOver]);
    } finally {
      clearTimeout(graceTimer);
      options.stopRunning();
      await ended();
    }
    return summary;
  }

  return {
    done: loop(),
    stop(graceMs) {
      stopping = true;
      clearTimeout(graceTimer);
      if (graceMs > 0) graceTimer = setTimeout(endGrace, graceMs);
      else endGrace();
      wakeup.wake();
    },
  };
}
