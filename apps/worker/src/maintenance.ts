import { errorCode } from '@mobvibe/cli';
import type pg from 'pg';
import type { Log } from './log.ts';
import type { Operations } from './queue/operations.ts';
import { databaseId } from './sandbox/open.ts';
import { reapSandboxes } from './sandbox/reap.ts';
import type { Sandboxes } from './sandbox/sandbox.ts';
import type { Wakeup } from './wakeup.ts';

/**
 * What is to be done again and again, by whomever: each task says how much it did. Safe to run anywhere, any number
 * of times, also at the same time.
 */
export interface MaintenanceTasks {
  /** Takes back the jobs of workers that died. */
  jobs_reaped(): Promise<number>;
  /** Ends sessions whose time is up. */
  sessions_expired(): Promise<number>;
  /** Makes the partitions of session_events for the months to come. */
  partitions_made(): Promise<number>;
  /** Ends the sandboxes of sessions that have ended. */
  sandboxes_ended(): Promise<number>;
}

export function createMaintenanceTasks(options: {
  operations: Operations;
  pool: Pick<pg.Pool, 'query'>;
  sandboxes: Sandboxes;
  databaseUrl: string;
  log: Log;
}): MaintenanceTasks {
  const { operations, pool, sandboxes, databaseUrl, log } = options;
  const database = databaseId(databaseUrl);
  return {
    jobs_reaped: operations.reapExpiredJobs,
    sessions_expired: operations.expireSessions,
    partitions_made: operations.extendEventPartitions,
    sandboxes_ended: () => reapSandboxes({ pool, sandboxes, database, log }),
  };
}

/** One round of all tasks. @returns how much each did. */
export async function maintain(tasks: MaintenanceTasks): Promise<Record<keyof MaintenanceTasks, number>> {
  return {
    jobs_reaped: await tasks.jobs_reaped(),
    sessions_expired: await tasks.sessions_expired(),
    partitions_made: await tasks.partitions_made(),
    sandboxes_ended: await tasks.sandboxes_ended(),
  };
}

export interface Maintenance {
  /** Jobs of dead workers were taken back, and sessions ended, once. */
  firstRound: Promise<unknown>;
  close(): Promise<void>;
}

const MINUTE = 60_000;

/** Runs each task at its own pace. Every worker does it for all. */
export function startMaintenance(options: {
  tasks: MaintenanceTasks;
  wakeup: Wakeup;
  leaseMs: number;
  log: Log;
}): Maintenance {
  const { tasks, wakeup, leaseMs, log } = options;
  const timers = new Map<keyof MaintenanceTasks, NodeJS.Timeout>();
  const current = new Map<keyof MaintenanceTasks, Promise<void>>();
  let closed = false;

  async function run(name: keyof MaintenanceTasks): Promise<void> {
    try {
      const count = await tasks[name]();
      if (count > 0) log.info({ [name]: count }, 'maintenance');
      if (count > 0 && name === 'jobs_reaped') wakeup.wake();
    } catch (error) {
      log.warn({ task: name, code: errorCode(error) }, 'maintenance failed; trying again');
    }
  }

  function repeat(name: keyof MaintenanceTasks, everyMs: number): Promise<void> {
    const running = run(name).then(() => {
      if (closed) return;
      // Jitter: workers that started together should not do it together for ever.
      const delay = everyMs * (0.75 + Math.random() / 2);
      timers.set(
        name,
        setTimeout(() => repeat(name, everyMs), delay),
      );
    });
    current.set(name, running);
    return running;
  }

  const firstRound = Promise.all([repeat('jobs_reaped', leaseMs), repeat('sessions_expired', leaseMs)]);
  repeat('partitions_made', 60 * MINUTE);
  repeat('sandboxes_ended', MINUTE);

  return {
    firstRound,
    async close() {
      closed = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all(current.values());
    },
  };
}
