import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type HookCallback,
  type Options,
  query,
  type SDKAssistantMessageError,
  type SDKMessage,
  type SDKResultMessage,
} from '@anthropic-ai/claude-agent-sdk';
import { z } from 'zod';
import type { ModelApi } from '../../model-api/model-api.ts';
import { endProcesses, sessionMark } from '../../sandbox/processes.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { type Execution, type ExecutionResult, type Executor, ExecutorError } from '../executor.ts';
import { agentEnvironment } from './environment.ts';
import { toResult } from './outcome.ts';
import { type Decision, decide, TOOLS } from './permissions.ts';
import { hasTranscript } from './transcript.ts';
import { createTranslator } from './translate.ts';

export interface ClaudeExecutorOptions {
  modelApi: ModelApi;
  /** Variables of this machine that the agent's programs need: PATH, the locale, certificates. */
  system: Record<string, string>;
  /** The SDK's default when absent. */
  model?: string | undefined;
  maxTurns?: number | undefined;
  maxBudgetUsd?: number | undefined;
  /** How often one call of the model is tried again, within a run, before the run fails. */
  modelRetries?: number | undefined;
}

const INSTRUCTIONS = `You build a mobile app with Expo and React Native, in TypeScript, for a person who watches on their phone.
The working directory is the app's project and all of it is yours; nothing outside it is.
The person reads your messages on a small screen while you work: say in a sentence or two what you are about to do, and at the end what they can now try.
Nobody can answer questions during the run: decide, and say what you decided.`;

/** What the session's metadata holds of the conversation. */
const memory = z.object({
  agent_session_id: z.uuid(),
  agent_model_api: z.string(),
  agent_cost_usd: z.number().catch(0),
});

/** Runs the prompt through the Claude Agent SDK: a process of its own, in the session's sandbox. */
export function createClaudeExecutor(options: ClaudeExecutorOptions): Executor {
  return {
    async run(execution) {
      const { signal, sandbox, session } = execution;
      const mark = sessionMark(session.id);
      const access = options.modelApi.grant();
      // Short and apart from the sandbox: the path of a socket has room for a hundred bytes.
      const temporary = await mkdtemp(join(tmpdir(), 'mobvibe-run-'));
      const abort = new AbortController();
      const stop = () => {
        // Killed first: the SDK itself would give the process seconds to end by itself.
        endProcesses(mark).catch(() => {});
        abort.abort();
      };
      signal.addEventListener('abort', stop, { once: true });
      try {
        signal.throwIfAborted();
        const { system, modelRetries = 5 } = options;
        const env = agentEnvironment({ access, sandbox, mark, temporary, system, modelRetries });
        return await converse(execution, options, env, abort);
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      } finally {
        signal.removeEventListener('abort', stop);
        access.revoke();
        await endProcesses(mark);
        await rm(temporary, { recursive: true, force: true });
      }
    },
  };
}

async function converse(
  execution: Execution,
  options: ClaudeExecutorOptions,
  env: Record<string, string>,
  abortController: AbortController,
): Promise<ExecutionResult> {
  const { job, session, sandbox, emit } = execution;
  const kind = options.modelApi.kind;
  const remembered = memory.safeParse(session.metadata).data;
  const resumable =
    remembered?.agent_model_api === kind && (await hasTranscript(sandbox.home, remembered.agent_session_id))
      ? remembered
      : undefined;
  const translate = createTranslator(sandbox.project, job.attempt);
  const errors = stderrTail();
  let modelError: SDKAssistantMessageError | undefined;
  let result: SDKResultMessage | undefined;

  const remember = (agentSessionId: string, cost: number) =>
    execution.updateSession({
      metadata: { agent_session_id: agentSessionId, agent_model_api: kind, agent_cost_usd: cost },
    });

  const conversation = query({
    prompt: job.prompt,
    options: {
      ...isolation(sandbox),
      abortController,
      env,
      cwd: sandbox.project,
      spawnClaudeCodeProcess: ({ command, args, cwd, env: environment }) => {
        // A session of its own: Ctrl-C in the worker's terminal goes to the worker alone, which then releases.
        const child = spawn(command, args, { cwd, env: environment, stdio: 'pipe', detached: true });
        child.stderr.on('data', errors.add);
        return child;
      },
      ...(resumable && { resume: resumable.agent_session_id }),
      ...(options.model && { model: options.model }),
      ...(options.maxTurns && { maxTurns: options.maxTurns }),
      ...(options.maxBudgetUsd && { maxBudgetUsd: options.maxBudgetUsd }),
    },
  });
  for await (const message of untilExit(conversation, errors, () => result !== undefined)) {
    execution.signal.throwIfAborted();
    for (const event of translate(message)) await emit(event);
    if (message.type === 'system' && message.subtype === 'init') {
      await remember(message.session_id, resumable?.agent_cost_usd ?? 0);
    } else if (message.type === 'assistant' && message.error) {
      modelError = message.error;
    } else if (message.type === 'result') {
      result = message;
      await remember(message.session_id, message.total_cost_usd);
    }
  }
  if (!result)
    throw new ExecutorError('agent_crashed', 'The agent ended without a result.', { retryable: true });
  const outcome = toResult(result, modelError, resumable?.agent_cost_usd ?? 0);
  // The SDK prices the scripted model's tokens as if a model had been asked.
  return kind === 'scripted' ? { ...outcome, cost_usd: 0 } : outcome;
}

/** Options that keep the run to its prompt, its directory and its tools, whatever lies on this machine. */
function isolation(sandbox: Sandbox): Options {
  const guard: HookCallback = async (input) => {
    if (input.hook_event_name !== 'PreToolUse') return {};
    const decision = await decide(input.tool_name, input.tool_input as Record<string, unknown>, input.cwd, {
      project: sandbox.project,
      readable: [sandbox.home],
      home: sandbox.home,
      // A hook that fails would be passed over.
    }).catch((): Decision => ({ allowed: false, reason: 'this call cannot be checked' }));
    return {
      hookSpecificOutput: decision.allowed
        ? { hookEventName: 'PreToolUse', permissionDecision: 'allow', updatedInput: decision.input }
        : {
            hookEventName: 'PreToolUse',
            permissionDecision: 'deny',
            permissionDecisionReason: decision.reason,
          },
    };
  };
  return {
    settingSources: [],
    strictMcpConfig: true,
    skills: [],
    // The prompt comes from a stranger: `@/etc/passwd` in it is text, and so is `/config`.
    verbatimPrompts: true,
    systemPrompt: {
      type: 'preset',
      preset: 'claude_code',
      append: INSTRUCTIONS,
      excludeDynamicSections: true,
    },
    tools: TOOLS,
    // The hook decides; what would still ask for permission is denied. (bypassPermissions is refused as root.)
    permissionMode: 'dontAsk',
    hooks: { PreToolUse: [{ hooks: [guard] }] },
  };
}

/** The messages of a conversation; the process's own failure as an ExecutorError, unless it came after the end. */
async function* untilExit(
  conversation: AsyncIterable<SDKMessage>,
  errors: StderrTail,
  hasEnded: () => boolean,
): AsyncGenerator<SDKMessage> {
  try {
    yield* conversation;
  } catch (error) {
    if (hasEnded()) return;
    throw new ExecutorError('agent_crashed', 'The agent stopped unexpectedly.', {
      retryable: true,
      cause: errors.lastLine() || error,
    });
  }
}

interface StderrTail {
  add(chunk: Buffer): void;
  lastLine(): string;
}

function stderrTail(): StderrTail {
  let tail = '';
  return {
    add: (chunk) => {
      tail = (tail + chunk.toString('utf8')).slice(-4096);
    },
    lastLine: () => tail.trim().split('\n').at(-1) ?? '',
  };
}
