import { randomBytes } from 'node:crypto';
import type {
  ContentBlock,
  Message,
  RawMessageStreamEvent,
  Usage,
} from '@anthropic-ai/sdk/resources/messages';
import type { ApiErrorType } from '../http/api-error.ts';

/** One turn of a script. */
export interface Reply {
  thinking?: string;
  /** Thinks without showing it. */
  redacted?: boolean;
  text?: string;
  tools?: { name: string; input: Record<string, unknown> }[];
  /** Ends before its end. */
  stop?: 'refusal' | 'max_tokens';
  /** Answers with this error instead. */
  error?: ApiErrorType;
}

/** The reply as the Messages API would answer a request of `inputTokens` tokens. */
export function toMessage(reply: Reply, model: string, inputTokens: number): Message {
  const content: ContentBlock[] = [];
  if (reply.thinking) {
    const signature = Buffer.from('scripted').toString('base64');
    content.push({ type: 'thinking', thinking: reply.thinking, signature });
  }
  if (reply.redacted) {
    content.push({ type: 'redacted_thinking', data: Buffer.from('scripted').toString('base64') });
  }
  if (reply.text) content.push({ type: 'text', text: reply.text, citations: null });
  for (const { name, input } of reply.tools ?? []) {
    content.push({ type: 'tool_use', id: identifier('toolu'), name, input, caller: { type: 'direct' } });
  }
  return {
    id: identifier('msg'),
    type: 'message',
    role: 'assistant',
    model,
    content,
    container: null,
    diagnostics: null,
    stop_reason: reply.stop ?? (reply.tools?.length ? 'tool_use' : 'end_turn'),
    stop_sequence: null,
    stop_details: null,
    usage: usage(inputTokens, countTokens(content)),
  };
}

/** About four characters a token, as in English prose. */
export const countTokens = (value: unknown) => Math.ceil(JSON.stringify(value).length / 4);

/** The message as the events of a stream, its text in pieces. */
export function* toStream(message: Message): Generator<RawMessageStreamEvent> {
  yield {
    type: 'message_start',
    message: { ...message, content: [], stop_reason: null, usage: { ...message.usage, output_tokens: 1 } },
  };
  for (const [index, block] of message.content.entries()) {
    yield { type: 'content_block_start', index, content_block: emptied(block) };
    for (const delta of deltas(block)) yield { type: 'content_block_delta', index, delta };
    yield { type: 'content_block_stop', index };
  }
  const { stop_reason, stop_sequence, stop_details, container, usage } = message;
  yield {
    type: 'message_delta',
    delta: { stop_reason, stop_sequence, stop_details, container },
    usage: {
      input_tokens: usage.input_tokens,
      output_tokens: usage.output_tokens,
      cache_creation_input_tokens: usage.cache_creation_input_tokens,
      cache_read_input_tokens: usage.cache_read_input_tokens,
      output_tokens_details: usage.output_tokens_details,
      server_tool_use: usage.server_tool_use,
    },
  };
  yield { type: 'message_stop' };
}

type Delta = Extract<RawMessageStreamEvent, { type: 'content_block_delta' }>['delta'];

function emptied(block: ContentBlock): ContentBlock {
  if (block.type === 'text') return { ...block, text: '' };
  if (block.type === 'thinking') return { ...block, thinking: '', signature: '' };
  if (block.type === 'tool_use') return { ...block, input: {} };
  return block;
}

function* deltas(block: ContentBlock): Generator<Delta> {
  if (block.type === 'text') {
    for (const text of pieces(block.text)) yield { type: 'text_delta', text };
  } else if (block.type === 'thinking') {
    for (const thinking of pieces(block.thinking)) yield { type: 'thinking_delta', thinking };
    yield { type: 'signature_delta', signature: block.signature };
  } else if (block.type === 'tool_use') {
    for (const json of pieces(JSON.stringify(block.input)))
      yield { type: 'input_json_delta', partial_json: json };
  }
}

// By whole characters: a piece that ends in half a surrogate pair would not survive UTF-8.
const pieces = (text: string) => text.match(/.{1,80}/gsu) ?? [];

const identifier = (prefix: string) => `${prefix}_scripted${randomBytes(9).toString('hex')}`;

function usage(input: number, output: number): Usage {
  return {
    input_tokens: input,
    output_tokens: output,
    cache_creation: null,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    inference_geo: null,
    output_tokens_details: null,
    server_tool_use: null,
    service_tier: 'standard',
    speed: 'standard',
  };
}
