import { mkdir } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import {
  createSdkMcpServer,
  type HookCallback,
  type Options,
  type SDKMessage,
  type SessionStore,
  type SessionStoreEntry,
  tool,
} from '@anthropic-ai/claude-agent-sdk';
import picomatch from 'picomatch';
import { z } from 'zod';
import { type FileChange, isRefusal, type Machine } from '../../sandbox/machine/machine.ts';
import { PREVIEW_PORT } from '../../sandbox/preview.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';

/** The agent's tools in a sandbox on another machine, and what of the SDK's process stays on this one. */
export interface RemoteTools {
  /** The sandbox as the SDK's process sees it: an empty project and a home on this machine. */
  sandbox: Sandbox;
  /** To be put over the options of a local run. */
  options: Pick<
    Options,
    'tools' | 'mcpServers' | 'toolAliases' | 'hooks' | 'sessionStore' | 'sessionStoreFlush'
  >;
  /** Whether the machine holds the transcript of that conversation. */
  canResume(agentSessionId: string): Promise<boolean>;
  /** The message as it would be, had the built-in tools run where the machine is. */
  asBuiltIn(message: SDKMessage): SDKMessage;
  /** @throws the error that a tool met when the machine was lost: the model cannot do anything about it. */
  throwIfLost(): void;
  /** Resolves when the transcript is on the machine and, `ended` aside, nothing of the run works there any more. */
  close(options: { ended: boolean }): Promise<void>;
}

const SERVER = 'machine';
const PREFIX = `mcp__${SERVER}__`;
const NAMES = ['Bash', 'Read', 'Write', 'Edit', 'Glob', 'Grep'] as const;
type Name = (typeof NAMES)[number];

const DEFAULT_TIMEOUT_MS = 120_000;
const MAX_TIMEOUT_MS = 600_000;
/** A lost worker loses no more of the conversation than this. */
const TRANSCRIPT_EVERY_MS = 10_000;
const CLOSE_WITHIN_MS = 15_000;

interface ToolAnswer {
  text: string;
  isError?: boolean;
  /** In the shape of the built-in tool's own output. */
  output?: object;
}

/**
 * Tools with the names and inputs of the SDK's own that work on the sandbox's machine, and a store that keeps the
 * conversation there, so that the next worker can go on with it. Undefined where the sandbox is on this machine.
 * @param temporary a directory of this run
 * @param onLost called once, when the machine cannot be reached any more
 */
export async function openRemoteTools(
  sandbox: Sandbox,
  options: { temporary: string; signal: AbortSignal; onLost(): void },
): Promise<RemoteTools | undefined> {
  const { machine } = sandbox;
  if (!machine) return undefined;
  const local = { project: join(options.temporary, 'project'), home: join(options.temporary, 'home') };
  for (const directory of Object.values(local)) await mkdir(directory, { recursive: true, mode: 0o700 });
  const outputs = new Map<string, object>();
  const transcript = createTranscript(machine);
  let lost: { error: unknown } | undefined;

  // The SDK tells the model its own working directory.
  const toMachine = (path: string) =>
    isAbsolute(path) && !relative(local.project, path).startsWith('..')
      ? join(machine.project, relative(local.project, path))
      : path;

  async function answer(run: () => Promise<ToolAnswer>, extra: unknown) {
    try {
      const { text, isError = false, output } = await run();
      const id = toolUseId(extra);
      if (id && output) outputs.set(id, output);
      return { content: [{ type: 'text' as const, text }], isError };
    } catch (error) {
      if (!isRefusal(error) && !options.signal.aborted) {
        lost ??= { error };
        options.onLost();
      }
      const text = error instanceof Error ? error.message : 'stopped';
      return { content: [{ type: 'text' as const, text }], isError: true };
    }
  }

  const define = <Shape extends z.ZodRawShape>(
    name: Name,
    description: string,
    shape: Shape,
    run: (input: z.output<z.ZodObject<Shape>>) => Promise<ToolAnswer>,
  ) =>
    tool(name, description, shape, (input, extra) =>
      answer(() => run(input as z.output<z.ZodObject<Shape>>), extra),
    );

  const server = createSdkMcpServer({
    name: SERVER,
    alwaysLoad: true,
    instructions: `These tools work on the machine of the app, where the project is ${machine.project}. Serve the app on port ${PREVIEW_PORT}, in the background, where the person should see it.`,
    tools: [
      define(
        'Bash',
        'Runs a shell command in the project directory, where each command starts. Waits for its end; what is left in the background goes on. Output beyond 30000 characters loses its middle.',
        {
          command: z.string(),
          description: z.string().optional(),
          timeout: z.number().max(MAX_TIMEOUT_MS).optional().describe('milliseconds; 120000 by default'),
        },
        async ({ command, timeout: timeoutMs = DEFAULT_TIMEOUT_MS }) => {
          const result = await machine.run(command, { timeoutMs, signal: options.signal });
          const { output, exitCode, timedOut } = result;
          if (timedOut) {
            const text = `Command timed out after ${Math.round(timeoutMs / 1000)}s\n${output}`;
            return { text, isError: true };
          }
          if (exitCode === null) return { text: `The machine stopped the command\n${output}`, isError: true };
          if (exitCode !== 0) return { text: `Exit code ${exitCode}\n${output}`, isError: true };
          const text = output || 'The command succeeded, without output.';
          return { text, output: { stdout: output.trimEnd(), stderr: '', interrupted: false } };
        },
      ),
      define(
        'Read',
        'Reads a text file of the project, with line numbers; at most 2000 lines unless told otherwise.',
        {
          file_path: z.string(),
          offset: z.int().positive().optional().describe('the first line'),
          limit: z.int().positive().optional().describe('how many lines'),
        },
        async ({ file_path, offset, limit }) => ({
          text: await machine.read(toMachine(file_path), offset, limit),
        }),
      ),
      define(
        'Write',
        'Writes a file of the project, in place of the one that is there.',
        { file_path: z.string(), content: z.string() },
        async ({ file_path, content }) => {
          const change = await machine.write(toMachine(file_path), content);
          const verb = change.created ? 'created' : 'updated';
          return { text: `File ${verb}: ${change.path}`, output: fileOutput(machine, change, content) };
        },
      ),
      define(
        'Edit',
        'Replaces text in a file of the project. old_string must be there once, unless replace_all is set.',
        {
          file_path: z.string(),
          old_string: z.string(),
          new_string: z.string(),
          replace_all: z.boolean().optional(),
        },
        async ({ file_path, old_string, new_string, replace_all }) => {
          const change = await machine.edit(toMachine(file_path), old_string, new_string, replace_all);
          return { text: `File updated: ${change.path}`, output: fileOutput(machine, change) };
        },
      ),
      define(
        'Glob',
        'Finds files of the project by a pattern such as src/**/*.tsx, the latest change first.',
        { pattern: z.string(), path: z.string().optional().describe('the directory to look in') },
        async ({ pattern, path }) => {
          const found = await machine.glob(
            path && toMachine(path),
            expressionOf(toMachine(pattern), machine),
          );
          return { text: listed(found.slice(0, 100), found.length) };
        },
      ),
      define(
        'Grep',
        'Searches the files of the project for a regular expression, line by line.',
        {
          pattern: z.string(),
          path: z.string().optional().describe('a file or directory'),
          glob: z.string().optional().describe('only files that match'),
          output_mode: z.enum(['content', 'files_with_matches', 'count']).optional(),
          '-i': z.boolean().optional().describe('ignore case'),
          '-A': z.int().min(0).max(50).optional(),
          '-B': z.int().min(0).max(50).optional(),
          '-C': z.int().min(0).max(50).optional(),
          head_limit: z.int().positive().max(1_000).optional(),
        },
        async ({ pattern, path, glob, output_mode: mode = 'files_with_matches', head_limit, ...flags }) => {
          const text = await machine.grep({
            pattern,
            path: path && toMachine(path),
            // As ripgrep has it: a pattern without a slash is one of the name.
            matches: glob && expressionOf(glob.includes('/') ? glob : `**/${glob}`, machine),
            mode,
            ignoreCase: flags['-i'],
            before: flags['-B'] ?? flags['-C'],
            after: flags['-A'] ?? flags['-C'],
            limit: head_limit,
          });
          return { text: text || 'No matches found' };
        },
      ),
    ],
  });

  return {
    sandbox: { ...sandbox, ...local },
    options: {
      tools: [],
      mcpServers: { [SERVER]: server },
      toolAliases: Object.fromEntries(NAMES.map((name) => [name, PREFIX + name])),
      // Paths are checked where they lead somewhere: on the machine.
      hooks: { PreToolUse: [{ hooks: [allowOnlyRemote] }] },
      sessionStore: transcript.store,
      sessionStoreFlush: 'eager',
    },
    canResume: async (agentSessionId) => Boolean(await transcript.load(agentSessionId)),
    asBuiltIn(message) {
      if (message.type !== 'assistant' && message.type !== 'user') return message;
      // Where the SDK's process runs is nobody's business.
      const shown = JSON.parse(
        JSON.stringify(message).replaceAll(local.project, machine.project),
      ) as SDKMessage;
      if (shown.type === 'assistant') {
        for (const block of shown.message.content) {
          if (block.type === 'tool_use' && block.name.startsWith(PREFIX)) {
            block.name = block.name.slice(PREFIX.length);
          }
        }
      } else if (shown.type === 'user' && Array.isArray(shown.message.content)) {
        for (const block of shown.message.content) {
          if (block.type !== 'tool_result') continue;
          shown.tool_use_result = outputs.get(block.tool_use_id);
          outputs.delete(block.tool_use_id);
        }
      }
      return shown;
    },
    throwIfLost() {
      if (lost) throw lost.error;
    },
    async close({ ended }) {
      const work = async () => {
        if (!ended) await machine.endProcesses();
        await transcript.close();
      };
      // What could not be told to the machine now, its next holder does.
      await Promise.race([work().catch(() => {}), timeout(CLOSE_WITHIN_MS)]);
    },
  };
}

const allowOnlyRemote: HookCallback = async (input) => {
  if (input.hook_event_name !== 'PreToolUse') return {};
  const allowed = NAMES.some((name) => input.tool_name === PREFIX + name);
  return {
    hookSpecificOutput: {
      hookEventName: 'PreToolUse',
      permissionDecision: allowed ? 'allow' : 'deny',
      ...(!allowed && { permissionDecisionReason: `${input.tool_name} is not available here` }),
    },
  };
};

/** What the built-in tool says of a change; its patch is here only as long as the change was. */
function fileOutput(
  machine: Machine,
  { path, created, added, removed }: FileChange,
  content?: string,
): object {
  const lines = [...Array<string>(removed).fill('-'), ...Array<string>(added).fill('+')];
  return {
    type: created ? 'create' : 'update',
    filePath: join(machine.project, path),
    ...(created && { content }),
    structuredPatch: [{ lines }],
  };
}

/** A pattern as an expression over relative paths: the machine has no library to match it with. */
function expressionOf(pattern: string, machine: Machine): string {
  const inside = isAbsolute(pattern) ? relative(machine.project, pattern) : pattern;
  return picomatch.makeRe(inside, { dot: true }).source;
}

const listed = (paths: string[], all: number) =>
  paths.length === 0
    ? 'No files found'
    : paths.join('\n') + (all > paths.length ? `\n… ${all - paths.length} more` : '');

const toolUseSchema = z.looseObject({ _meta: z.looseObject({ 'claudecode/toolUseId': z.string() }) });

const toolUseId = (extra: unknown) => toolUseSchema.safeParse(extra).data?._meta['claudecode/toolUseId'];

/** The conversation, kept on the machine: written a few times a minute, as each write is a call of its API. */
function createTranscript(machine: Machine) {
  const loaded = new Map<string, string>();
  const pending = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  async function load(name: string): Promise<string> {
    const known = loaded.get(name) ?? (await machine.loadTranscript(name));
    loaded.set(name, known);
    return known;
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    writing = writing.then(async () => {
      for (const [name, lines] of [...pending]) {
        pending.delete(name);
        // A write that was cut off may have left half a line before this one.
        await machine.appendTranscript(name, `\n${lines}`);
      }
    });
    return writing;
  }

  const store: SessionStore = {
    async append({ sessionId, subpath }, entries) {
      // There are no subagents.
      if (subpath) return;
      const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
      pending.set(sessionId, (pending.get(sessionId) ?? '') + lines);
      // What fails here shows at the next tool call.
      timer ??= setTimeout(() => void flush().catch(() => {}), TRANSCRIPT_EVERY_MS);
    },
    async load({ sessionId, subpath }) {
      if (subpath) return null;
      const entries = (await load(sessionId)).split('\n').flatMap(readEntry);
      return entries.length > 0 ? entries : null;
    },
  };

  return { store, load, close: flush };
}

function readEntry(line: string): SessionStoreEntry[] {
  try {
    return line ? [JSON.parse(line) as SessionStoreEntry] : [];
  } catch {
    return [];
  }
}

function timeout(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
