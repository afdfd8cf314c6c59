import type { SDKMessage } from '@anthropic-ai/claude-agent-sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Usage } from '../../src/events/event.ts';
import { createMeter, spentSince } from '../../src/executor/claude/spending.ts';
import { until } from '../support.ts';
import { type AgentOptions, bash, createAgents } from './agent.ts';

let agents: Awaited<ReturnType<typeof createAgents>>;
beforeAll(async () => {
  agents = await createAgents();
});
afterAll(() => agents.close());

/** Runs an agent that would go on for ever, and counts its calls of the model. */
async function countTurns(options: AgentOptions): Promise<{ turns: number; code: string }> {
  let turns = 0;
  const { run, used } = await agents.agent({
    ...options,
    script: () => {
      turns++;
      return bash('true');
    },
  });
  const code = await run('Go on').then(
    () => 'none',
    (error) => error.code as string,
  );
  expect(used.at(-1)?.output_tokens).toBeGreaterThan(0);
  return { turns, code };
}

describe('the limits of a run', () => {
  it('are the tier’s', async () => {
    expect(await countTurns({ limits: { maxTurns: 2 } })).toEqual({ turns: 2, code: 'max_turns' });
    expect(await countTurns({ limits: { maxBudgetUsd: 0.01 } })).toMatchObject({ code: 'max_budget' });
  });

  it('are the worker’s where those are lower, and never higher', async () => {
    expect(await countTurns({ limits: { maxTurns: 9 }, maxTurns: 1 })).toEqual({
      turns: 1,
      code: 'max_turns',
    });
    expect(await countTurns({ limits: { maxTurns: 1 }, maxTurns: 9 })).toEqual({
      turns: 1,
      code: 'max_turns',
    });
    expect(await countTurns({ maxBudgetUsd: 0.01 })).toMatchObject({ code: 'max_budget' });
  });

  it.each([
    ['the tier’s', { limits: { model: 'claude-haiku-4-5' } }, 'claude-haiku-4-5'],
    [
      'the worker’s, where it names one',
      { limits: { model: 'claude-haiku-4-5' }, model: 'claude-sonnet-4-5' },
      'claude-sonnet-4-5',
    ],
  ])('name the model: %s', async (_, options, expected) => {
    const asked = new Set<string>();
    const { run } = await agents.agent({
      ...options,
      script: (_conversation, model) => {
        asked.add(model);
        return { text: 'Done.' };
      },
    });
    await run('Go');
    expect([...asked]).toEqual([expected]);
  });
});

describe('what a run used', () => {
  it('is known also where it was killed', async () => {
    const { run, used, sandbox } = await agents.agent({
      script: ({ results }) => (results.length < 2 ? bash('true') : bash('touch third; sleep 300')),
    });
    const controller = new AbortController();
    const running = expect(run('Go', controller.signal)).rejects.toBe('timeout');
    await until(async () => (await sandbox.files()).includes('third'));
    controller.abort('timeout');
    await running;
    const last = used.at(-1);
    expect(last?.input_tokens).toBeGreaterThan((used[0]?.input_tokens ?? 0) * 2);
    expect(last?.output_tokens).toBeGreaterThan(3);
  });

  it('is what its result says, and of this run alone', async () => {
    const { run, used } = await agents.agent();
    const first = await run('Build a habit tracker');
    expect(used.at(-1)).toEqual(first.usage);
    const second = await run('Now for water');
    expect(second.usage.output_tokens).toBeLessThan(first.usage.output_tokens);
    expect(used.at(-1)).toEqual(second.usage);
  });

  const usage = (input: number, output: number): Usage => ({
    input_tokens: input,
    output_tokens: output,
    cache_read_input_tokens: 0,
    cache_creation_input_tokens: 0,
  });
  const total = { usage: usage(150, 35), cost_usd: 0.7 };

  it('is the conversation’s total less what it was before', () => {
    const earlier = { usage: usage(100, 20), cost_usd: 0.5 };
    expect(spentSince(total, earlier, usage(50, 10))).toEqual({ usage: usage(50, 15), cost_usd: 0.2 });
  });

  it('is the whole total where the transcript had lost the earlier one', () => {
    const earlier = { usage: usage(140, 20), cost_usd: 0.6 };
    expect(spentSince(total, earlier, usage(150, 30))).toEqual({ usage: usage(150, 35), cost_usd: 0.7 });
  });

  it('is what was seen where the agent broke down and reports nothing', () => {
    const nothing = { usage: usage(0, 0), cost_usd: 0 };
    expect(spentSince(nothing, total, usage(50, 10))).toEqual({ usage: usage(50, 10), cost_usd: 0 });
  });

  it('is counted by the last word of each answer', () => {
    const meter = createMeter();
    const say = (event: object) => meter({ type: 'stream_event', event } as unknown as SDKMessage);
    say({ type: 'message_start', message: { usage: { input_tokens: 10, output_tokens: 1 } } });
    expect(say({ type: 'content_block_delta' })).toBeUndefined();
    say({ type: 'message_delta', usage: { output_tokens: 5, input_tokens: null } });
    expect(say({ type: 'message_delta', usage: { output_tokens: 8 } })).toEqual(usage(10, 8));
    expect(
      say({ type: 'message_start', message: { usage: { input_tokens: 20, output_tokens: 1 } } }),
    ).toEqual(usage(30, 9));
  });
});
