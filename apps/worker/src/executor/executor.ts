import type { SessionEvent, Usage } from '../events/event.ts';
import type { ClaimedJob, JobSession, SessionUpdate, TierLimits } from '../queue/queue.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';

/** The session of a job whose tier has limits; a job without them does not get as far as an executor. */
export type ExecutionSession = JobSession & { limits: TierLimits };

/** Everything an executor gets for one attempt at one job. */
export interface Execution {
  job: ClaimedJob;
  session: ExecutionSession;
  sandbox: Sandbox;
  /** Aborts on cancel, lost lease, timeout and shutdown: stop at once, leave no process behind, then reject. */
  signal: AbortSignal;
  /** Wait for it: it makes the executor as slow as the database is. Refused once the signal has aborted. */
  emit(event: SessionEvent): Promise<void>;
  updateSession(update: SessionUpdate): Promise<void>;
  /**
   * What this attempt has used so far, in total; call it as often as that changes. An attempt that fails or is
   * stopped has spent tokens too.
   */
  reportUsage(usage: Usage): void;
}

export interface ExecutionResult {
  summary: string;
  usage: Usage;
  cost_usd: number;
  turns: number;
}

/** Turns a job's prompt into work in a sandbox. */
export interface Executor {
  /**
   * Resolves when the work is done and nothing of it runs any more.
   * @throws ExecutorError when it cannot be done; `jobError` makes one.
   */
  run(execution: Execution): Promise<ExecutionResult>;
}

/** Why an execution failed. `message` is one line that the job's owner may read: no stack, no path, no secret. */
export class ExecutorError extends Error {
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = 'ExecutorError';
    this.code = code;
    this.retryable = options.retryable;
  }
}

export const isExecutorError = (error: unknown): error is ExecutorError => error instanceof ExecutorError;
