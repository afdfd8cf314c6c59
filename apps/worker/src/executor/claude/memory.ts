import { z } from 'zod';
import type { ModelApi } from '../../model-api/model-api.ts';
import type { SessionUpdate } from '../../queue/queue.ts';
import { NOTHING_SPENT, type Spending } from './spending.ts';

/** What coding_sessions.metadata holds of the agent's conversation. */
export interface Memory {
  /** Null: there was one, which the model can no longer read. */
  agentSessionId: string | null;
  /** With which kind of model it was begun. */
  modelApi: ModelApi['kind'];
  /** What it has spent so far. */
  total: Spending;
}

const count = z.int().nonnegative().catch(0);
const stored = z
  .object({
    agent_session_id: z.uuid().nullable(),
    agent_model_api: z.enum(['anthropic', 'scripted']),
    agent_cost_usd: z.number().catch(0),
    agent_usage: z
      .object({
        input_tokens: count,
        output_tokens: count,
        cache_read_input_tokens: count,
        cache_creation_input_tokens: count,
      })
      .catch(NOTHING_SPENT.usage),
  })
  .transform(
    ({ agent_session_id, agent_model_api, agent_cost_usd, agent_usage }): Memory => ({
      agentSessionId: agent_session_id,
      modelApi: agent_model_api,
      total: { cost_usd: agent_cost_usd, usage: agent_usage },
    }),
  );

/** The conversation of the session's earlier jobs; undefined where there was none. */
export const recall = (metadata: Record<string, unknown>): Memory | undefined =>
  stored.safeParse(metadata).data;

export const asMetadata = ({ agentSessionId, modelApi, total }: Memory): SessionUpdate => ({
  metadata: {
    agent_session_id: agentSessionId,
    agent_model_api: modelApi,
    agent_cost_usd: total.cost_usd,
    agent_usage: total.usage,
  },
});
