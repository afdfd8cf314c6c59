import type { SDKAssistantMessageError, SDKResultMessage } from '@anthropic-ai/claude-agent-sdk';
import type { ExecutorError } from '../executor.ts';
import { type JobErrorCode, jobError } from '../job-errors.ts';

const RESULT_ERRORS: Record<string, JobErrorCode> = {
  error_max_turns: 'max_turns',
  error_max_budget_usd: 'max_budget',
};

/** Why a run did not succeed; undefined where it did. `modelError` is what the SDK said of the model's last answer. */
export function failureOf(
  result: SDKResultMessage,
  modelError: SDKAssistantMessageError | undefined,
): ExecutorError | undefined {
  if (result.subtype !== 'success') {
    return jobError(RESULT_ERRORS[result.subtype] ?? 'agent_failed', { cause: result.errors?.join('; ') });
  }
  if (!result.is_error) return undefined;
  const { stop_reason, api_error_status } = result;
  const cause = `stop reason ${stop_reason}, HTTP status ${api_error_status ?? 'unknown'}`;
  // The SDK calls it an invalid request.
  if (stop_reason === 'refusal') return jobError('model_refused', { cause });
  return jobError(modelErrorCode(modelError, api_error_status ?? undefined), { cause });
}

// Typed so that an error which a later SDK adds must be put into the table.
function modelErrorCode(
  error: SDKAssistantMessageError | undefined,
  status: number | undefined,
): JobErrorCode {
  if (error === 'server_error' && status === 529) return 'model_overloaded';
  if (error && error !== 'unknown') return `model_${error}`;
  // What the SDK has no name for: a request that is refused as it stands would be refused again.
  return status === 400 || status === 413 ? 'model_invalid_request' : 'model_failed';
}
