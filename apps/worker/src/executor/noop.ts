import { setTimeout as sleep } from 'node:timers/promises';
import { NO_USAGE, type SessionEvent, type Usage } from '../events/event.ts';
import type { Executor } from './executor.ts';

export interface NoopExecutorOptions {
  /** Emitted one after the other. */
  events?: SessionEvent[];
  /** How long each job takes, in milliseconds. */
  durationMs?: number;
  usage?: Usage;
}

/** Does nothing, and succeeds: for tests of what is around an executor, and benchmarks of it. */
export function createNoopExecutor(options: NoopExecutorOptions = {}): Executor {
  const { events = [], durationMs = 0, usage = NO_USAGE } = options;
  return {
    async run({ emit, signal }) {
      for (const event of events) await emit(event);
      if (durationMs > 0) await sleep(durationMs, undefined, { signal });
      return { summary: '', usage, cost_usd: 0, turns: 0 };
    },
  };
}
