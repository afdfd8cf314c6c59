import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Target } from '@mobvibe/cli';
import type { Log } from './log.ts';

const CHANNEL = 'mobvibe_jobs';
const RECONNECT_MS = 500;

/**
 * Says when there may be work. Read `generation`, look for work, then `wait(generation)`: a signal that came in
 * between has moved the generation, so that it is not slept through.
 */
export interface Wakeup {
  readonly generation: number;
  wake(): void;
  /** Resolves when the generation is no longer `since`, or after `timeoutMs`. */
  wait(since: number, timeoutMs: number): Promise<void>;
}

export function createWakeup(): Wakeup {
  let generation = 0;
  const waiting = new Set<() => void>();
  return {
    get generation() {
      return generation;
    },
    wake() {
      generation++;
      for (const end of waiting) end();
    },
    async wait(since, timeoutMs) {
      if (generation !== since) return;
      await new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer);
          waiting.delete(end);
          resolve();
        };
        const timer = setTimeout(end, timeoutMs);
        waiting.add(end);
      });
    },
  };
}

/**
 * Wakes on NOTIFY, over a connection of its own that is opened again when it breaks. Behind a transaction pooler
 * nothing ever arrives: polling is the floor.
 */
export async function listen(target: Target, wakeup: Wakeup, log: Log): Promise<{ close(): Promise<void> }> {
  const closing = new AbortController();
  let client: Awaited<ReturnType<typeof open>> | undefined;

  async function open() {
    const connection = await connect(target, { application_name: 'mobvibe-worker-listen', keepAlive: true });
    connection.on('notification', () => wakeup.wake());
    connection.once('end', () => {
      if (!closing.signal.aborted) void reopen();
    });
    await connection.query(`listen ${CHANNEL}`);
    return connection;
  }

  async function reopen(): Promise<void> {
    log.warn('no longer listening for jobs: polling until the connection is back');
    while (!closing.signal.aborted) {
      await sleep(RECONNECT_MS, undefined, { signal: closing.signal }).catch(() => {});
      if (closing.signal.aborted) return;
      const connection = await open().catch(() => undefined);
      if (!connection) continue;
      client = connection;
      if (closing.signal.aborted) return connection.end();
      log.info('listening for jobs again');
      // Whatever was announced meanwhile.
      return wakeup.wake();
    }
  }

  client = await open();
  return {
    async close() {
      closing.abort();
      await client?.end().catch(() => {});
    },
  };
}
