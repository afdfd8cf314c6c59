import { oneLine } from '@mobvibe/cli';
import { storable } from '../events/bound.ts';
import type { Failure } from '../queue/queue.ts';
import { isExecutorError } from './executor.ts';
import { jobError } from './job-errors.ts';

/**
 * An error as fail_jobs takes it, whoever made it: a failure that the database refuses would be a job without an
 * end. What is no ExecutorError says nothing to the job's owner.
 */
export function toFailure(error: unknown): Failure {
  const { code, message, retryable } = isExecutorError(error) ? error : jobError('worker_error');
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(code)) return toFailure(undefined);
  const line = storable(String(message).slice(0, 500)) as string;
  return { code, message: line, retryable: retryable === true };
}

/** For the operator's log: a line that says what was behind an error. */
export function causeOf(error: unknown): string | undefined {
  const cause = isExecutorError(error) ? error.cause : error;
  if (cause === undefined) return undefined;
  try {
    return oneLine(cause).slice(0, 300);
  } catch {
    // It cannot even be made text.
    return typeof cause;
  }
}
