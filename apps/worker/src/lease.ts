import type { Log } from './log.ts';
import type { ClaimedJob, Queue } from './queue/queue.ts';

/** Why a job is stopped before its end. */
export type StopReason = 'cancelled' | 'lease_lost' | 'timeout' | 'shutdown' | 'database_error';

/** A job held until its lease runs out. */
export interface Lease {
  job: ClaimedJob;
  /** Aborts with a StopReason. */
  signal: AbortSignal;
  stop(reason: StopReason): void;
}

export interface Leases {
  hold(job: ClaimedJob): Lease;
  drop(lease: Lease): void;
  all(): Lease[];
  close(): Promise<void>;
}

/** Keeps the leases of all held jobs alive, with one heartbeat for all of them each third of a lease. */
export function createLeases(queue: Pick<Queue, 'heartbeat'>, leaseMs: number, log: Log): Leases {
  const held = new Map<string, Lease & { renewedAt: number }>();
  let beating: Promise<void> = Promise.resolve();

  async function beat(): Promise<void> {
    const asked = [...held.values()];
    if (asked.length === 0) return;
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
    } catch (error) {
      log.warn({ code: (error as { code?: string }).code }, 'heartbeat failed');
    }
    // Nobody answers: the lease ran out all the same, and another worker may hold the job by now.
    for (const lease of asked) if (performance.now() - lease.renewedAt >= leaseMs) lease.stop('lease_lost');
  }

  let busy = false;
  const timer = setInterval(() => {
    const expired = [...held.values()].filter((lease) => performance.now() - lease.renewedAt >= leaseMs);
    for (const lease of expired) lease.stop('lease_lost');
    if (busy) return;
    busy = true;
    beating = beat().finally(() => {
      busy = false;
    });
  }, leaseMs / 3);

  return {
    hold(job) {
      const controller = new AbortController();
      const lease = {
        job,
        signal: controller.signal,
        stop: (reason: StopReason) => controller.abort(reason),
        renewedAt: performance.now(),
      };
      held.set(job.id, lease);
      return lease;
    },
    drop(lease) {
      if (held.get(lease.job.id) === lease) held.delete(lease.job.id);
    },
    all: () => [...held.values()],
    async close() {
      clearInterval(timer);
      await beating;
    },
  };
}
