import { isAbsolute, join, relative } from 'node:path';
import type { SDKAssistantMessage, SDKMessage, SDKUserMessage } from '@anthropic-ai/claude-agent-sdk';
import type { SessionEvent, Status } from '../../events/event.ts';

interface ToolCall {
  name: string;
  input: Record<string, unknown>;
}

interface ToolResult {
  text: string;
  isError: boolean;
  /** The tool's own output object; undefined or text where the call failed. */
  output: unknown;
}

/** The SDK's own messages that the person should know of; the others are for terminals and hosts. */
const STATUS: { [subtype: string]: Status | undefined } = {
  api_retry: 'model_retry',
  compact_boundary: 'conversation_compacted',
} satisfies { [Subtype in SystemSubtype]?: Status };

type SystemSubtype = Extract<SDKMessage, { type: 'system' }>['subtype'];

const FILE_WRITERS = new Set(['Write', 'Edit', 'MultiEdit', 'NotebookEdit']);

/**
 * Translates the SDK's messages of one run into session events. A tool call becomes an event when its result is
 * in. Paths of this machine are shown relative to the project.
 */
export function createTranslator(project: string, attempt: number): (message: SDKMessage) => SessionEvent[] {
  const calls = new Map<string, ToolCall>();
  const hide = pathHider(project);

  function fromAssistant({ message, error, parent_tool_use_id }: SDKAssistantMessage): SessionEvent[] {
    // An error of the API comes as if the model had said it; a subagent speaks to the agent.
    const isForThePerson = !error && !parent_tool_use_id;
    return message.content.flatMap((block): SessionEvent[] => {
      if (block.type === 'tool_use') {
        calls.set(block.id, { name: block.name, input: block.input as Record<string, unknown> });
      }
      if (!isForThePerson) return [];
      if (block.type === 'redacted_thinking') {
        return [{ type: 'thinking', payload: { text: '', redacted: true } }];
      }
      if (block.type === 'thinking' && block.thinking.trim()) {
        return [{ type: 'thinking', payload: { text: hide(block.thinking) } }];
      }
      if (block.type === 'text' && block.text.trim()) {
        return [{ type: 'message', payload: { text: hide(block.text) } }];
      }
      return [];
    });
  }

  function fromUser({ message, tool_use_result }: SDKUserMessage): SessionEvent[] {
    if (typeof message.content === 'string') return [];
    return message.content.flatMap((block): SessionEvent[] => {
      if (block.type !== 'tool_result') return [];
      const call = calls.get(block.tool_use_id);
      if (!call) return [];
      calls.delete(block.tool_use_id);
      const text = typeof block.content === 'string' ? block.content : textOf(block.content ?? []);
      return [toolEvent(call, { text, isError: block.is_error ?? false, output: tool_use_result })];
    });
  }

  function toolEvent(call: ToolCall, result: ToolResult): SessionEvent {
    if (call.name === 'Bash') return terminal(call, result);
    if (FILE_WRITERS.has(call.name) && !result.isError) return fileChange(call, result);
    const input = mapStrings(withoutContent(call.input), hide);
    const error = result.isError ? { error: hide(unwrap(result.text)) } : {};
    return { type: 'tool_use', payload: { tool: call.name, input, ...error } };
  }

  function terminal({ input }: ToolCall, result: ToolResult): SessionEvent {
    const { output, exitCode } = shellResult(result);
    const command = hide(String(input.command ?? ''));
    return { type: 'terminal', payload: { command, output: hide(output), exit_code: exitCode } };
  }

  function fileChange({ input }: ToolCall, { output }: ToolResult): SessionEvent {
    const file = isRecord(output) ? output : {};
    const path = String(file.filePath ?? input.file_path ?? input.notebook_path ?? '');
    const created = file.type === 'create';
    const { added, removed } = created
      ? { added: countLines(String(file.content ?? '')), removed: 0 }
      : countPatch(file);
    const shown = isAbsolute(path) ? relative(project, path) : path;
    return {
      type: 'file_change',
      payload: { path: shown, change: created ? 'created' : 'modified', added, removed },
    };
  }

  return (message) => {
    if (message.type === 'assistant') return fromAssistant(message);
    if (message.type === 'user' && !('isReplay' in message && message.isReplay)) return fromUser(message);
    const status = message.type === 'system' && STATUS[message.subtype];
    if (status) return [{ type: 'status', payload: { status, attempt } }];
    return [];
  };
}

/** Replaces the project's own path by what the agent would see as `.`: it says who runs the worker, and where. */
function pathHider(project: string): (text: string) => string {
  const sandbox = join(project, '..');
  return (text) => text.replaceAll(`${project}/`, '').replaceAll(project, '.').replaceAll(sandbox, '..');
}

// The SDK gives the exit code of a command that failed only, in the text.
function shellResult({ text, isError, output }: ToolResult): { output: string; exitCode: number | null } {
  if (isError) {
    const match = /^(?:Error: )?Exit code (\d+)\n?/.exec(text);
    return match
      ? { output: text.slice(match[0].length), exitCode: Number(match[1]) }
      : { output: unwrap(text), exitCode: null };
  }
  if (!isRecord(output)) return { output: text, exitCode: 0 };
  const { stdout = '', stderr = '', interrupted, returnCodeInterpretation, backgroundTaskId } = output;
  const shown = output.isImage ? '[image]' : [stdout, stderr].filter(Boolean).join('\n');
  if (interrupted || backgroundTaskId) return { output: shown, exitCode: null };
  // Of the commands whose 1 is an answer and no failure: grep, diff, find, test.
  return { output: shown, exitCode: returnCodeInterpretation ? 1 : 0 };
}

const unwrap = (text: string) => text.replace(/^<tool_use_error>([\s\S]*)<\/tool_use_error>$/, '$1');

// A refused Write still carries the whole file.
function withoutContent(input: Record<string, unknown>): Record<string, unknown> {
  const { content: _, old_string: __, new_string: ___, ...rest } = input;
  return rest;
}

function textOf(blocks: { type: string; text?: string }[]): string {
  return blocks.map((block) => (block.type === 'text' ? block.text : `[${block.type}]`)).join('\n');
}

function countPatch(file: Record<string, unknown>): { added: number | null; removed: number | null } {
  const patch = Array.isArray(file.structuredPatch) ? file.structuredPatch : [];
  // An empty patch is one that was too large to make, unless nothing changed.
  if (patch.length === 0 && file.originalFile !== file.content) return { added: null, removed: null };
  const lines: string[] = patch.flatMap((hunk) => (hunk as { lines?: string[] }).lines ?? []);
  return {
    added: lines.filter((line) => line.startsWith('+')).length,
    removed: lines.filter((line) => line.startsWith('-')).length,
  };
}

const countLines = (text: string) => text.split('\n').length - (text.endsWith('\n') || text === '' ? 1 : 0);

function mapStrings(value: Record<string, unknown>, map: (text: string) => string): Record<string, unknown> {
  const visit = (inner: unknown): unknown => {
    if (typeof inner === 'string') return map(inner);
    if (Array.isArray(inner)) return inner.map(visit);
    return isRecord(inner) ? mapStrings(inner, map) : inner;
  };
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, visit(inner)]));
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
