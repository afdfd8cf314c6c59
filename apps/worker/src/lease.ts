import { errorCode } from '@mobvibe/cli';
import type { Log } from './log.ts';
import type { ClaimedJob, Queue } from './queue/queue.ts';

/** Why a job is stopped before its end. */
export type StopReason = 'cancelled' | 'lease_lost' | 'timeout' | 'shutdown' | 'database_error';

/** A job held until its lease runs out. */
export interface Lease {
  job: ClaimedJob;
  /** Aborts with a StopReason: the agent is to stop. */
  signal: AbortSignal;
  /** Another worker may hold the job by now: nothing more can be written. */
  readonly isLost: boolean;
  stop(reason: StopReason): void;
}

export interface Leases {
  /** @param claimedAt `performance.now()` before the claim was asked for: from then on the lease counts. */
  hold(job: ClaimedJob, claimedAt?: number): Lease;
  drop(lease: Lease): void;
  all(): Lease[];
  close(): Promise<void>;
}

// The database takes a worker that it has not heard of for a minute for dead, and no longer wakes it.
const MOST_BETWEEN_BEATS_MS = 20_000;

/** Keeps the leases of all held jobs alive, with one heartbeat for all of them each third of a lease. */
export function createLeases(queue: Pick<Queue, 'heartbeat'>, leaseMs: number, log: Log): Leases {
  const held = new Map<string, Lease & { renewedAt: number }>();
  const intervalMs = Math.min(leaseMs / 3, MOST_BETWEEN_BEATS_MS);

  async function beat(): Promise<boolean> {
    const asked = [...held.values()];
    // The lease counts from when the database got the question, not from when its answer arrived here.
    const askedAt = performance.now();
    try {
      const answers = new Map(
        (await queue.heartbeat(asked.map(({ job }) => job))).map((row) => [row.jobId, row]),
      );
      for (const lease of asked) {
        const answer = answers.get(lease.job.id);
        if (!answer?.held) lease.stop('lease_lost');
        else if (answer.cancel) lease.stop('cancelled');
        else lease.renewedAt = askedAt;
      }
      return true;
    } catch (error) {
      log.warn({ code: errorCode(error), held: asked.length }, 'heartbeat failed; trying again');
      return false;
    } finally {
      expire();
    }
  }

  // Nobody answers: the lease ran out all the same, and another worker may hold the job by now.
  function expire(): void {
    for (const lease of held.values()) {
      if (performance.now() - lease.renewedAt >= leaseMs) lease.stop('lease_lost');
    }
  }

  let closed = false;
  let timer: NodeJS.Timeout;
  let beating: Promise<void> = Promise.resolve();
  function schedule(delayMs: number): void {
    timer = setTimeout(() => {
      beating = beat().then((answered) => {
        // An outage must not cost a whole interval more than it lasts.
        if (!closed) schedule(answered ? intervalMs : Math.min(intervalMs / 4, 1_000));
      });
    }, delayMs);
  }
  schedule(intervalMs);
  // Also while an answer is awaited.
  const expiry = setInterval(expire, Math.min(intervalMs, 1_000));

  return {
    hold(job, claimedAt = performance.now()) {
      const controller = new AbortController();
      let isLost = false;
      const lease = {
        job,
        signal: controller.signal,
        get isLost() {
          return isLost;
        },
        stop(reason: StopReason) {
          isLost ||= reason === 'lease_lost';
          controller.abort(reason);
        },
        renewedAt: claimedAt,
      };
      held.set(job.id, lease);
      return lease;
    },
    drop(lease) {
      if (held.get(lease.job.id) === lease) held.delete(lease.job.id);
    },
    all: () => [...held.values()],
    async close() {
      closed = true;
      clearTimeout(timer);
      clearInterval(expiry);
      await beating;
    },
  };
}
