import { SessionEventType } from '@mobvibe/db/enums';
import { z } from 'zod';
import { boundEvent, type StorableEvent } from '../events/bound.ts';
import type { SessionEvent, Usage } from '../events/event.ts';
import { type AbandonOptions, orAbandon } from './abandon.ts';
import type { Execution, ExecutionResult, Executor } from './executor.ts';
import { jobError } from './job-errors.ts';

/** What one attempt at a job may write. */
export interface OutputLimits {
  events: number;
  /** Bytes of all payloads together. */
  bytes: number;
}

/** Ten times what a long run of the agent comes to. */
export const OUTPUT_LIMITS: OutputLimits = { events: 10_000, bytes: 32 * 1024 * 1024 };

const count = z.int().nonnegative();
const usage = z.object({
  input_tokens: count,
  output_tokens: count,
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
});
const executionResult = z.object({
  summary: z.string(),
  usage,
  cost_usd: z.number().nonnegative().max(1_000_000),
  turns: count,
});

export interface SuperviseOptions extends AbandonOptions {
  limits?: OutputLimits | undefined;
}

export interface SupervisedExecution extends Omit<Execution, 'emit'> {
  /** Takes the events that are within the limits, in order; slow where the database is. */
  append(event: StorableEvent): Promise<void>;
}

/**
 * Runs an executor and trusts it in nothing: what it emits is bounded, counted and refused after its end or once it
 * was told to stop; what it returns is checked. None of its promises, waited for or not, can end the process.
 * @throws ExecutorError `output_limit` or `executor_fault`, what the signal was aborted with, or what the executor
 *   threw.
 */
export async function supervise(
  executor: Executor,
  execution: SupervisedExecution,
  { limits = OUTPUT_LIMITS, ...abandon }: SuperviseOptions = {},
): Promise<ExecutionResult> {
  const { append, ...given } = execution;
  const broken = new AbortController();
  const signal = AbortSignal.any([given.signal, broken.signal]);
  const written = { events: 0, bytes: 0 };
  let refusal: Promise<never> | undefined;
  let ended = false;

  // One for all: an executor that does not wait may call a million times before anything else can run.
  function refuse(): Promise<never> {
    refusal ??= handled(
      Promise.reject(signal.aborted ? signal.reason : new Error('the execution has ended')),
    );
    return refusal;
  }

  function stop(error: Error): Promise<never> {
    broken.abort(error);
    return refuse();
  }

  function emit(event: SessionEvent): Promise<void> {
    if (ended || signal.aborted) return refuse();
    if (!isEvent(event)) return stop(jobError('executor_fault', { cause: 'an event of no known type' }));
    const bounded = boundEvent(event);
    written.events++;
    written.bytes += Buffer.byteLength(JSON.stringify(bounded.payload));
    if (written.events > limits.events || written.bytes > limits.bytes) return stop(jobError('output_limit'));
    return handled(append(bounded));
  }

  try {
    const running = executor.run({
      ...given,
      signal,
      emit,
      updateSession: (update) => (ended || signal.aborted ? refuse() : handled(given.updateSession(update))),
      reportUsage: (used) => {
        if (!ended && !signal.aborted) given.reportUsage(checked(usage, used));
      },
    });
    const result = await orAbandon(running, broken.signal, abandon);
    signal.throwIfAborted();
    return checked(executionResult, result);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    ended = true;
  }
}

/** Nobody may be waiting for it: its failure must not count as unhandled, which would end the process. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

const isEvent = (event: unknown): event is StorableEvent => {
  const { type, payload } = (event ?? {}) as { type?: unknown; payload?: unknown };
  const isRecord = typeof payload === 'object' && payload !== null && !Array.isArray(payload);
  return typeof type === 'string' && Object.hasOwn(SessionEventType, type) && isRecord;
};

function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const { data, error } = schema.safeParse(value);
  if (data !== undefined) return data;
  const [issue] = error?.issues ?? [];
  throw jobError('executor_fault', { cause: `${issue?.path.join('.')}: ${issue?.message}` });
}

/** Input and output together, as complete_jobs counts them. */
export const tokensOf = ({ input_tokens, output_tokens }: Usage) => input_tokens + output_tokens;
