import type { SDKAssistantMessageError, SDKResultMessage } from '@anthropic-ai/claude-agent-sdk';
import { type ExecutionResult, ExecutorError } from '../executor.ts';

/** What the owner reads for each error of the Messages API, and whether another attempt may help. */
const MODEL_ERRORS: Partial<Record<SDKAssistantMessageError, [message: string, retryable: boolean]>> = {
  authentication_failed: ['The model refused our key.', false],
  oauth_org_not_allowed: ['The model refused our key.', false],
  account_on_hold: ['The model refused our account.', false],
  verification_required: ['The model refused our account.', false],
  cloud_credential_error: ['The model refused our key.', false],
  billing_error: ['Our account with the model has no credit left.', false],
  model_not_found: ['The model is not available.', false],
  invalid_request: ['The model could not read the conversation.', false],
  max_output_tokens: ['The model gave up on an answer that became too long.', false],
  rate_limit: ['The model is busy: too many requests.', true],
  overloaded: ['The model is overloaded.', true],
  server_error: ['The model failed to answer.', true],
};

const RESULT_ERRORS: Record<string, [code: string, message: string, retryable: boolean]> = {
  error_max_turns: ['max_turns', 'The agent reached its limit of turns.', false],
  error_max_budget_usd: ['max_budget', 'The agent reached its limit of cost.', false],
  error_during_execution: ['agent_failed', 'The agent failed.', true],
};

/**
 * The result of a run.
 * @param earlierCost what the conversation had cost before: a resumed one reports its total.
 * @throws ExecutorError when the run did not succeed.
 */
export function toResult(
  result: SDKResultMessage,
  modelError: SDKAssistantMessageError | undefined,
  earlierCost: number,
): ExecutionResult {
  if (result.subtype !== 'success') {
    const [code, message, retryable] = RESULT_ERRORS[result.subtype] ?? [
      'agent_failed',
      'The agent failed.',
      true,
    ];
    throw new ExecutorError(code, message, { retryable, cause: result.errors?.join('; ') });
  }
  if (result.is_error) {
    const [message, retryable] = (modelError && MODEL_ERRORS[modelError]) ?? [
      'The model failed to answer.',
      true,
    ];
    throw new ExecutorError(`model_${modelError ?? 'failed'}`, message, {
      retryable,
      cause: `HTTP status ${result.api_error_status ?? 'unknown'}`,
    });
  }
  const { usage } = result;
  return {
    summary: result.result,
    usage: {
      input_tokens: usage.input_tokens,
      output_tokens: usage.output_tokens,
      cache_read_input_tokens: usage.cache_read_input_tokens,
      cache_creation_input_tokens: usage.cache_creation_input_tokens,
    },
    cost_usd: Math.max(0, Number((result.total_cost_usd - earlierCost).toFixed(6))),
    turns: result.num_turns,
  };
}
