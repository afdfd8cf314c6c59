import { ExecutorError } from './executor.ts';

/**
 * Every value of coding_jobs.error_code that a worker or the queue writes: what the job's owner reads, and whether
 * another attempt may help. A worker retries while attempts are left.
 */
export const JOB_ERRORS = {
  cancelled: { message: 'Cancelled.', retryable: false },
  timeout: { message: 'The agent did not finish in time.', retryable: false },
  lease_expired: { message: 'The worker stopped answering.', retryable: true },
  unknown_tier: { message: 'No limits are set for the tier of this account.', retryable: false },
  output_limit: { message: 'The agent produced more output than a job may have.', retryable: false },
  worker_error: { message: 'The worker failed to run this job.', retryable: true },
  executor_fault: { message: 'The worker could not read what the agent did.', retryable: false },
  sandbox_failed: { message: 'The machine of this app does not work.', retryable: true },
  sandbox_taken: { message: 'Another run took the machine of this app over.', retryable: true },
  sandbox_unavailable: { message: 'No sandbox could be opened for this session.', retryable: true },
  sandbox_refused: { message: 'We may not open a sandbox for this session.', retryable: false },
  sandbox_lost: { message: 'The sandbox of this session stopped answering.', retryable: true },

  agent_crashed: { message: 'The agent stopped unexpectedly.', retryable: true },
  agent_failed: { message: 'The agent failed.', retryable: true },
  max_turns: { message: 'The agent reached its limit of turns.', retryable: false },
  max_budget: { message: 'The agent reached its limit of cost.', retryable: false },

  model_refused: { message: 'The model declined this request.', retryable: false },
  model_invalid_request: { message: 'The model could not read the conversation.', retryable: false },
  model_max_output_tokens: {
    message: 'The model gave up on an answer that became too long.',
    retryable: false,
  },
  model_model_not_found: { message: 'The model is not available.', retryable: false },
  model_authentication_failed: { message: 'The model refused our key.', retryable: false },
  model_oauth_org_not_allowed: { message: 'The model refused our key.', retryable: false },
  model_cloud_credential_error: { message: 'The model refused our key.', retryable: false },
  model_account_on_hold: { message: 'The model refused our account.', retryable: false },
  model_verification_required: { message: 'The model refused our account.', retryable: false },
  model_billing_error: { message: 'Our account with the model has no credit left.', retryable: false },
  model_rate_limit: { message: 'The model is busy: too many requests.', retryable: true },
  model_overloaded: { message: 'The model is overloaded.', retryable: true },
  model_server_error: { message: 'The model failed to answer.', retryable: true },
  model_failed: { message: 'The model failed to answer.', retryable: true },
} as const satisfies Record<string, { message: string; retryable: boolean }>;

export type JobErrorCode = keyof typeof JOB_ERRORS;

/** The error of that code, as the table has it. `cause` is for the operator's log, `message` for the owner. */
export function jobError(
  code: JobErrorCode,
  options: { message?: string; cause?: unknown } = {},
): ExecutorError {
  const { message, retryable } = JOB_ERRORS[code];
  return new ExecutorError(code, options.message ?? message, { retryable, cause: options.cause });
}
