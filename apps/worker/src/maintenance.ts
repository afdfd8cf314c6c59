import { errorCode } from '@mobvibe/cli';
import type { Log } from './log.ts';
import type { Queue } from './queue/queue.ts';
import type { Wakeup } from './wakeup.ts';

export interface Maintenance {
  firstRound: Promise<void>;
  close(): Promise<void>;
}

/** Takes back the jobs of workers that died and ends sessions whose time is up. Every worker does it for all. */
export function startMaintenance(options: {
  queue: Pick<Queue, 'reapExpiredJobs' | 'expireSessions'>;
  wakeup: Wakeup;
  intervalMs: number;
  log: Log;
}): Maintenance {
  const { queue, wakeup, intervalMs, log } = options;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  async function round(): Promise<void> {
    try {
      const reaped = await queue.reapExpiredJobs();
      const expired = await queue.expireSessions();
      if (reaped > 0) log.warn({ reaped }, 'took back jobs whose lease ran out');
      if (expired > 0) log.info({ expired }, 'ended sessions whose time was up');
      if (reaped > 0) wakeup.wake();
    } catch (error) {
      log.warn({ code: errorCode(error) }, 'maintenance failed; trying again');
    }
    // Jitter: workers that started together should not reap together for ever.
    if (!closed) timer = setTimeout(next, intervalMs * (0.75 + Math.random() / 2));
  }

  let current = round();
  const firstRound = current;
  function next() {
    current = round();
  }

  return {
    firstRound,
    async close() {
      closed = true;
      clearTimeout(timer);
      await current;
      clearTimeout(timer);
    },
  };
}
