import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionEvent, Usage } from '../../src/events/event.ts';
import { type ClaudeExecutorOptions, createClaudeExecutor } from '../../src/executor/claude/claude.ts';
import type { Execution } from '../../src/executor/executor.ts';
import type { ModelApi } from '../../src/model-api/model-api.ts';
import { openScriptedModelApi } from '../../src/model-api/scripted.ts';
import type { Reply } from '../../src/model-server/message.ts';
import type { Script } from '../../src/model-server/script/expo-app.ts';
import { openLocalSandboxes } from '../../src/sandbox/local.ts';

export interface AgentOptions extends Partial<ClaudeExecutorOptions> {
  script?: Script;
  limits?: Partial<Execution['session']['limits']>;
}

/** Agents whose SDK, process, tools and files are real; only the model is not. */
export async function createAgents() {
  const data = await mkdtemp(join(tmpdir(), 'worker-test-'));
  const apis: ModelApi[] = [];

  /** Runs prompts, one after the other, in one session. */
  async function agent({ script, limits, ...options }: AgentOptions = {}) {
    const sessionId = crypto.randomUUID();
    const modelApi = options.modelApi ?? (await openScriptedModelApi(script && { script }));
    if (!options.modelApi) apis.push(modelApi);
    const executor = createClaudeExecutor({
      modelApi,
      system: { PATH: process.env.PATH ?? '' },
      modelRetries: 0,
      ...options,
    });
    const sandboxes = await openLocalSandboxes(data);
    const session: Execution['session'] = {
      id: sessionId,
      userId: crypto.randomUUID(),
      projectId: crypto.randomUUID(),
      sandboxId: null,
      webviewUrl: null,
      metadata: {},
      projectName: 'Habits',
      projectTemplate: 'blank',
      tier: 'free',
      limits: { model: null, maxTurns: 30, maxBudgetUsd: 5, ...limits },
    };
    const events: SessionEvent[] = [];
    const used: Usage[] = [];
    return {
      sessionId,
      session,
      events,
      /** What it reported to have used, each time. */
      used,
      sandbox: await sandboxes.open(session),
      async run(prompt: string, signal = new AbortController().signal) {
        return executor.run({
          job: { id: crypto.randomUUID(), sessionId, prompt, attempt: 1, maxAttempts: 3 },
          session,
          sandbox: await sandboxes.open(session),
          signal,
          emit: async (event) => {
            events.push(event);
          },
          updateSession: async ({ metadata }) => {
            Object.assign(session.metadata, metadata);
          },
          reportUsage: (usage) => {
            used.push(usage);
          },
        });
      },
    };
  }

  return {
    data,
    agent,
    async close() {
      for (const api of apis) await api.close();
      await rm(data, { recursive: true });
    },
  };
}

/** A script that calls one tool after the other, whatever they return, and then says so. */
export const calling =
  (...replies: Reply[]): Script =>
  ({ results }) =>
    replies[results.length] ?? { text: 'Done.' };

export const calls = (name: string, input: Record<string, unknown>): Reply => ({ tools: [{ name, input }] });

export const bash = (command: string, input: Record<string, unknown> = {}): Reply =>
  calls('Bash', { command, ...input });
