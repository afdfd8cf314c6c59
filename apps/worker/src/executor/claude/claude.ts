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
import type { ModelApi } from '../../model-api/model-api.ts';
import type { TierLimits } from '../../queue/queue.ts';
import { PREVIEW_FILE } from '../../sandbox/preview.ts';
import { endProcesses, sessionMark } from '../../sandbox/processes.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { Execution, ExecutionResult, Executor } from '../executor.ts';
import { jobError } from '../job-errors.ts';
import { agentEnvironment } from './environment.ts';
import { asMetadata, type Memory, recall } from './memory.ts';
import { failureOf } from './outcome.ts';
import { type Decision, decide, TOOLS } from './permissions.ts';
import { openRemoteTools, type RemoteTools } from './remote-tools.ts';
import { createMeter, NOTHING_SPENT, spentSince, totalOf } from './spending.ts';
import { hasTranscript } from './transcript.ts';
import { createTranslator } from './translate.ts';

export interface ClaudeExecutorOptions {
  modelApi: ModelApi;
  /** Variables of this machine that the agent's programs need: PATH, the locale, certificates. */
  system: Record<string, string>;
  /** Instead of the tier's model. */
  model?: string | undefined;
  /** Turns of a run, where the tier allows more. */
  maxTurns?: number | undefined;
  /** US dollars a run may cost, where the tier allows more. */
  maxBudgetUsd?: number | undefined;
  /** How often one call of the model is tried again, within a run, before the run fails. */
  modelRetries?: number | undefined;
}

const INSTRUCTIONS = `You build a mobile app with Expo and React Native, in TypeScript, for a person who watches on their phone.
The working directory is the app's project and all of it is yours; nothing outside it is.
The person reads your messages on a small screen while you work: say in a sentence or two what you are about to do, and at the end what they can now try.
Nobody can answer questions during the run: decide, and say what you decided.
Where the app can be seen (its address on the web, an EAS update) goes into ${PREVIEW_FILE}: {"webview_url": "…", "eas_update_url": "…"}, either or both.`;

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
      let remote: RemoteTools | undefined;
      let ended = false;
      try {
        signal.throwIfAborted();
        remote = await openRemoteTools(sandbox, { temporary, signal, onLost: stop });
        const { system, modelRetries = 5 } = options;
        const here = remote?.sandbox ?? sandbox;
        const env = agentEnvironment({ access, sandbox: here, mark, temporary, system, modelRetries });
        const result = await converse(execution, options, env, abort, remote);
        ended = true;
        return result;
      } catch (error) {
        signal.throwIfAborted();
        remote?.throwIfLost();
        throw error;
      } finally {
        signal.removeEventListener('abort', stop);
        access.revoke();
        await endProcesses(mark);
        await remote?.close({ ended });
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
  remote?: RemoteTools,
): Promise<ExecutionResult> {
  const { session, sandbox } = execution;
  const remembered = recall(session.metadata);
  if (remembered) {
    const { agentSessionId, modelApi } = remembered;
    const isResumable =
      modelApi === options.modelApi.kind &&
      agentSessionId !== null &&
      (await (remote ? remote.canResume(agentSessionId) : hasTranscript(sandbox.home, agentSessionId)));
    const resumed = isResumable && (await talk(execution, options, env, abortController, remote, remembered));
    if (resumed) return resumed;
    const { attempt } = execution.job;
    await execution.emit({ type: 'status', payload: { status: 'conversation_restarted', attempt } });
  }
  const result = await talk(execution, options, env, abortController, remote);
  if (!result) throw jobError('agent_crashed', { cause: 'the agent did not begin' });
  return result;
}

/** @returns undefined where the conversation could not be taken up: nothing has been done then. */
async function talk(
  execution: Execution,
  options: ClaudeExecutorOptions,
  env: Record<string, string>,
  abortController: AbortController,
  remote?: RemoteTools,
  earlier?: Memory,
): Promise<ExecutionResult | undefined> {
  const { job, session, sandbox, emit, reportUsage } = execution;
  const modelApi = options.modelApi.kind;
  const translate = createTranslator(sandbox.project, job.attempt);
  const meter = createMeter();
  const errors = stderrTail();
  const { model, maxTurns, maxBudgetUsd } = withinLimits(session.limits, options);
  let total = earlier?.total ?? NOTHING_SPENT;
  let metered = NOTHING_SPENT.usage;
  let agentSessionId: string | undefined;
  let modelError: SDKAssistantMessageError | undefined;
  let result: SDKResultMessage | undefined;

  const remember = (memory: Partial<Memory>) =>
    execution.updateSession(
      asMetadata({ agentSessionId: agentSessionId ?? null, modelApi, total, ...memory }),
    );

  const conversation = query({
    prompt: job.prompt,
    options: {
      ...isolation(sandbox),
      ...remote?.options,
      abortController,
      env,
      cwd: (remote?.sandbox ?? sandbox).project,
      spawnClaudeCodeProcess: ({ command, args, cwd, env: environment }) => {
        // A session of its own: Ctrl-C in the worker's terminal goes to the worker alone, which then releases.
        const child = spawn(command, args, { cwd, env: environment, stdio: 'pipe', detached: true });
        child.stderr.on('data', errors.add);
        return child;
      },
      // For the tokens in them; what is shown comes whole.
      includePartialMessages: true,
      // Newer models do not show their thinking unless they are asked to.
      thinking: { type: 'adaptive', display: 'summarized' },
      ...(earlier?.agentSessionId && { resume: earlier.agentSessionId }),
      ...(model && { model }),
      maxTurns,
      maxBudgetUsd,
    },
  });
  for await (const message of untilExit(conversation, errors, () => result !== undefined)) {
    execution.signal.throwIfAborted();
    for (const event of translate(remote?.asBuiltIn(message) ?? message)) await emit(event);
    const used = meter(message);
    if (used) {
      metered = used;
      reportUsage(used);
    }
    if (message.type === 'system' && message.subtype === 'init') {
      agentSessionId = message.session_id;
      await remember({});
    } else if (message.type === 'assistant' && message.error) {
      modelError = message.error;
    } else if (message.type === 'result') {
      result = message;
    }
  }
  if (!agentSessionId && earlier) return undefined;
  if (!result) throw jobError('agent_crashed', { cause: 'the agent ended without a result' });

  const latest = totalOf(result);
  const { usage, cost_usd } = spentSince(latest, total, metered);
  reportUsage(usage);
  // A run that broke down reports nothing, whatever it spent.
  if (latest.cost_usd > 0) total = latest;
  const failure = failureOf(result, modelError);
  const isUnreadable = earlier && failure?.code === 'model_invalid_request';
  await remember(isUnreadable ? { agentSessionId: null } : {});
  if (failure) throw failure;
  return {
    summary: result.subtype === 'success' ? result.result : '',
    usage,
    // The SDK prices the scripted model's tokens as if a model had been asked.
    cost_usd: modelApi === 'scripted' ? 0 : cost_usd,
    turns: result.num_turns,
  };
}

/** What the tier allows; the worker may name another model, and allow less. */
function withinLimits(tier: TierLimits, worker: Pick<ClaudeExecutorOptions, keyof TierLimits>) {
  return {
    model: worker.model ?? tier.model,
    maxTurns: Math.min(tier.maxTurns, worker.maxTurns ?? Number.POSITIVE_INFINITY),
    maxBudgetUsd: Math.min(tier.maxBudgetUsd, worker.maxBudgetUsd ?? Number.POSITIVE_INFINITY),
  };
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
    throw jobError('agent_crashed', { cause: errors.lastLine() || error });
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
