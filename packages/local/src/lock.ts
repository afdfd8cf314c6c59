import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, errorCode } from '@mobvibe/cli';
import { lock } from 'proper-lockfile';
import type { Progress } from './progress.ts';
import type { Layout } from './running.ts';

const WAIT_SECONDS = 90;

/**
 * Runs `task` alone among all that start or stop this directory's server. The lock of a process that was killed is
 * free again after three seconds.
 */
export async function withLock<T>(
  { directory }: Layout,
  progress: Progress,
  signal: AbortSignal | undefined,
  task: () => Promise<T>,
): Promise<T> {
  const acquire = () =>
    lock(directory, {
      lockfilePath: `${directory}/lock`,
      stale: 3_000,
      update: 1_000,
      // A machine that slept past `stale` finds its lock old; whatever another start did by then, Postgres's own
      // lock on the data directory holds.
      onCompromised: () => {},
    });
  let release: (() => Promise<void>) | undefined;
  const deadline = Date.now() + WAIT_SECONDS * 1000;
  for (let attempt = 0; !release; attempt++) {
    signal?.throwIfAborted();
    try {
      release = await acquire();
    } catch (error) {
      if (errorCode(error) !== 'ELOCKED') throw error;
      if (attempt === 0) {
        progress.say(`another start or stop is under way: waiting up to ${WAIT_SECONDS} s for it`);
      }
      if (Date.now() > deadline) {
        throw new CommandError(
          `another start or stop of ${directory} did not end within ${WAIT_SECONDS} s`,
          `end it, or, if there is none, remove ${directory}/lock`,
          { cause: error },
        );
      }
      await sleep(50);
    }
  }
  try {
    return await task();
  } finally {
    // The directory may be gone by then, and its lock with it.
    await release().catch(() => {});
  }
}
