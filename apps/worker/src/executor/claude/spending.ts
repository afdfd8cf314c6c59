import type { SDKMessage, SDKResultMessage } from '@anthropic-ai/claude-agent-sdk';
import { NO_USAGE, type Usage } from '../../events/event.ts';

/** What a conversation has used and cost, over all its runs. */
export interface Spending {
  usage: Usage;
  cost_usd: number;
}

export const NOTHING_SPENT: Spending = { usage: NO_USAGE, cost_usd: 0 };

const FIELDS = Object.keys(NO_USAGE) as (keyof Usage)[];

const combine = (left: Usage, right: Usage, by: (a: number, b: number) => number): Usage =>
  Object.fromEntries(FIELDS.map((field) => [field, by(left[field], right[field])])) as unknown as Usage;

const add = (left: Usage, right: Usage) => combine(left, right, (a, b) => a + b);

/** The totals of a result: of every call of every model, also those for compaction, over all runs. */
export function totalOf({ modelUsage, total_cost_usd }: SDKResultMessage): Spending {
  const usage = Object.values(modelUsage).reduce(
    (sum, model) =>
      add(sum, {
        input_tokens: model.inputTokens,
        output_tokens: model.outputTokens,
        cache_read_input_tokens: model.cacheReadInputTokens,
        cache_creation_input_tokens: model.cacheCreationInputTokens,
      }),
    NO_USAGE,
  );
  return { usage, cost_usd: total_cost_usd };
}

/**
 * What one run spent, of the conversation's total after it. The total goes on from what the transcript saved, and
 * begins at zero where that was lost: it then does not cover the earlier runs and this one, which `metered` saw.
 */
export function spentSince(total: Spending, earlier: Spending, metered: Usage): Spending {
  const isContinued = FIELDS.every((field) => total.usage[field] >= earlier.usage[field] + metered[field]);
  const before = isContinued ? earlier : NOTHING_SPENT;
  return {
    usage: combine(
      combine(total.usage, before.usage, (a, b) => a - b),
      metered,
      Math.max,
    ),
    cost_usd: Math.max(0, Number((total.cost_usd - before.cost_usd).toFixed(6))),
  };
}

/**
 * Adds up what the model's answers of a run use, as they stream in: an agent that is killed does not say.
 * @returns the sum so far, where the message changed it.
 */
export function createMeter(): (message: SDKMessage) => Usage | undefined {
  let finished = NO_USAGE;
  let current = NO_USAGE;
  return (message) => {
    if (message.type !== 'stream_event') return undefined;
    const { event } = message;
    if (event.type === 'message_start') {
      finished = add(finished, current);
      current = usageOf(event.message.usage);
    } else if (event.type === 'message_delta') {
      // Each delta has the totals of its answer.
      current = combine(current, usageOf(event.usage), Math.max);
    } else return undefined;
    return add(finished, current);
  };
}

const usageOf = (usage: { [Field in keyof Usage]?: number | null }): Usage =>
  Object.fromEntries(FIELDS.map((field) => [field, usage[field] ?? 0])) as unknown as Usage;
