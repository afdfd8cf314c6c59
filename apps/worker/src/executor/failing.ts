import { setImmediate as afterIo } from 'node:timers/promises';
import { NO_USAGE } from '../events/event.ts';
import { type Execution, type ExecutionResult, type Executor, ExecutorError } from './executor.ts';
import { jobError } from './job-errors.ts';

const done: ExecutionResult = { summary: 'Done.', usage: NO_USAGE, cost_usd: 0, turns: 0 };
const text = (value: string) => ({ type: 'message' as const, payload: { text: value } });

function cycle(): Record<string, unknown> {
  const value: Record<string, unknown> = { count: 1n };
  value.self = value;
  return value;
}

/** Each way in which an executor can go wrong. */
const MODES = {
  /** Fails as an executor should. */
  fail: () => Promise.reject(jobError('agent_failed')),
  throw: () => {
    throw new Error('/home/jane/secret broke\n    at somewhere.ts:1');
  },
  /** Rejects with what is no error, nor even text. */
  reject: () => Promise.reject(Object.create(null)),
  /** An error whose parts no column takes. */
  misname: () =>
    Promise.reject(new ExecutorError('Not a code!\0', 'x\0\ud800'.repeat(10_000), { retryable: false })),
  /** Never ends, whatever the signal says. */
  hang: () => new Promise<never>(() => {}),
  /** A million events, and waits for none. */
  flood: async ({ emit }) => {
    for (let index = 0; index < 1_000_000; index++) void emit(text('x'.repeat(100)));
    return done;
  },
  /** A million events, and waits for each, but takes no notice of a refusal. */
  babble: async ({ emit, signal }) => {
    for (let index = 0; index < 1_000_000 && !signal.aborted; index++)
      await emit(text('x'.repeat(100))).catch(() => {});
    return done;
  },
  /** One event of 100 MB. */
  shout: async ({ emit }) => {
    const output = 'x'.repeat(100_000_000);
    await emit({ type: 'terminal', payload: { command: 'yes', output, exit_code: 0 } });
    return done;
  },
  /** A payload that is no JSON. */
  tangle: async ({ emit }) => {
    await emit({ type: 'tool_use', payload: { tool: 'Knot', input: cycle() } });
    return done;
  },
  /** An event of no known type. */
  invent: async ({ emit }) => {
    await emit({ type: 'applause', payload: {} } as never);
    return done;
  },
  /** A result that adds up to nothing. */
  miscount: async () => ({ ...done, usage: { ...NO_USAGE, input_tokens: Number.NaN } }),
  /** A result that is none. */
  forget: async () => undefined as never,
  /** Goes on emitting after its end. */
  linger: async ({ emit, updateSession }) => {
    void (async () => {
      for (let index = 0; index < 100; index++) {
        await afterIo();
        void emit(text('late'));
        void updateSession({ metadata: { late: true } });
      }
    })();
    return { ...done, summary: 'x'.repeat(10_000_000) };
  },
} satisfies Record<string, (execution: Execution) => Promise<ExecutionResult>>;

export type FailingMode = keyof typeof MODES;
export const FAILING_MODES = Object.keys(MODES) as FailingMode[];

/** Goes wrong in the way it is told to: for tests of what is around an executor. */
export function createFailingExecutor({ mode }: { mode: FailingMode }): Executor {
  return { run: MODES[mode] };
}
