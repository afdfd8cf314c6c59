import type { SessionEvent, Usage } from '../events/event.ts';
import type { ClaimedJob, JobSession, SessionUpdate } from '../queue/queue.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';

/** Everything an executor gets for one attempt at one job. */
export interface Execution {
  job: ClaimedJob;
  session: JobSession;
  sandbox: Sandbox;
  /** Aborts on cancel, lost lease, timeout and shutdown: stop at once, leave no process behind, then reject. */
  signal: AbortSignal;
  emit(event: SessionEvent): Promise<void>;
  updateSession(update: SessionUpdate): Promise<void>;
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
   * @throws ExecutorError when it cannot be done.
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
