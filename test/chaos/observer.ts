import { setTimeout as sleep } from 'node:timers/promises';
import { connect, describe, isCommandError } from '@mobvibe/cli';
import type { Client } from 'pg';
import { isConnectionLost } from '../../apps/worker/src/queue/connection-lost.ts';
import { checkSamples, type Violation } from './check.ts';

/** Looks at the database all the while, over a connection of its own that it opens again when it breaks. */
export interface Observer {
  /** How often it has looked. */
  readonly samples: number;
  violations: Violation[];
  /** Looks a last time. */
  close(): Promise<void>;
}

const EVERY_MS = 100;

export function startObserver(url: string): Observer {
  const violations = new Map<string, Violation>();
  let samples = 0;
  let closing = false;
  let client: Client | undefined;

  async function look(): Promise<void> {
    try {
      client ??= await connect(describe(url), { query_timeout: 5_000 });
      for (const found of await checkSamples(client))
        violations.set(`${found.invariant} ${found.subject}`, found);
      samples++;
    } catch (error) {
      if (!isCommandError(error) && !isConnectionLost(error)) throw error;
      await client?.end().catch(() => {});
      client = undefined;
    }
  }

  async function watch(): Promise<void> {
    while (!closing) {
      await look();
      await sleep(EVERY_MS);
    }
    await look();
    await client?.end();
  }
  const watching = watch();
  // Heard in `close`.
  watching.catch(() => {});

  return {
    get samples() {
      return samples;
    },
    get violations() {
      return [...violations.values()];
    },
    async close() {
      closing = true;
      await watching;
    },
  };
}
