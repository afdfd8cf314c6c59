import type {
  MessageParam,
  TextBlockParam,
  ToolResultBlockParam,
} from '@anthropic-ai/sdk/resources/messages';

export interface ToolResult {
  tool: string;
  input: Record<string, unknown>;
  text: string;
  isError: boolean;
}

/** What a script needs to know of a conversation to choose its next reply. */
export interface Conversation {
  /** The latest thing the user asked for. */
  prompt: string;
  /** What the user asked for before, in order. */
  earlier: string[];
  /** The results of the tools called since then, in order. */
  results: ToolResult[];
}

/** Reads a conversation out of the messages of a request, past the reminders that the Agent SDK mixes in. */
export function readConversation(messages: MessageParam[]): Conversation {
  const calls = new Map<string, { tool: string; input: Record<string, unknown> }>();
  const prompts: string[] = [];
  let results: ToolResult[] = [];
  for (const message of messages) {
    const blocks = typeof message.content === 'string' ? [textBlock(message.content)] : message.content;
    for (const block of blocks) {
      if (message.role === 'assistant' && block.type === 'tool_use') {
        calls.set(block.id, { tool: block.name, input: block.input as Record<string, unknown> });
      }
      if (message.role !== 'user') continue;
      if (block.type === 'tool_result') {
        const call = calls.get(block.tool_use_id) ?? { tool: 'unknown', input: {} };
        results.push({ ...call, text: resultText(block), isError: block.is_error ?? false });
      } else if (block.type === 'text' && isFromUser(block.text)) {
        prompts.push(block.text.trim());
        results = [];
      }
    }
  }
  return { prompt: prompts.at(-1) ?? '', earlier: prompts.slice(0, -1), results };
}

const textBlock = (text: string): TextBlockParam => ({ type: 'text', text });

const isFromUser = (text: string) =>
  text.trim() !== '' && !/^\s*(<system-reminder>|\[Request interrupted)/.test(text);

function resultText({ content }: ToolResultBlockParam): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((block) => (block.type === 'text' ? block.text : '')).join('\n');
}
