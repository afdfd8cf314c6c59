import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageParam } from '@anthropic-ai/sdk/resources/messages';
import { z } from 'zod';
import { sendApiError } from '../http/api-error.ts';
import { keyOf, type LoopbackServer, serveLoopback } from '../http/loopback.ts';
import { readConversation } from './conversation.ts';
import { countTokens, type Reply, toMessage, toStream } from './message.ts';
import { type Script, writeExpoApp } from './script/expo-app.ts';

const MAX_REQUEST_BYTES = 32 * 1024 * 1024;

export interface ModelServerOptions {
  script?: Script;
  /** Pause between two pieces of a stream, so that a person can follow it. */
  pieceMs?: number;
  /** The only key that is let in; any without it. */
  apiKey?: string;
}

const countRequest = z.looseObject({
  model: z.string().min(1),
  messages: z.array(z.looseObject({ role: z.string() })).min(1),
  tools: z.array(z.unknown()).optional(),
});
const messageRequest = countRequest.extend({
  max_tokens: z.int().positive(),
  stream: z.boolean().optional(),
});

/**
 * A Messages API on loopback that follows a script instead of asking a model. It knows POST /v1/messages,
 * streamed or not, and POST /v1/messages/count_tokens; anything else is answered as the real API would.
 */
export async function startModelServer(options: ModelServerOptions = {}): Promise<LoopbackServer> {
  const { script = writeExpoApp, pieceMs = 0, apiKey } = options;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('request-id', `req_scripted${randomBytes(9).toString('hex')}`);
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (apiKey && keyOf(request) !== apiKey) {
      return sendApiError(response, 'authentication_error', 'invalid x-api-key');
    }
    if (request.method !== 'POST' || !['/v1/messages', '/v1/messages/count_tokens'].includes(pathname)) {
      return sendApiError(response, 'not_found_error', 'Not found');
    }
    const body = await readBody(request);
    if (body === undefined) {
      response.setHeader('connection', 'close');
      return sendApiError(
        response,
        'request_too_large',
        'Request exceeds the maximum allowed number of bytes',
      );
    }
    const schema = pathname.endsWith('/count_tokens') ? countRequest : messageRequest;
    const parsed = schema.safeParse(parseJson(body));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return sendApiError(response, 'invalid_request_error', `${issue?.path.join('.')}: ${issue?.message}`);
    }
    const { model, tools, stream } = parsed.data;
    const inputTokens = countTokens(body);
    if (schema === countRequest) return sendJson(response, { input_tokens: inputTokens });

    const conversation = readConversation(parsed.data.messages as unknown as MessageParam[]);
    // Without tools it is one of the SDK's side requests: a title, a summary.
    const reply: Reply = tools?.length ? script(conversation, model) : { text: 'A scripted run' };
    if (reply.error) return sendApiError(response, reply.error, 'scripted');
    const message = toMessage(reply, model, inputTokens);
    if (!stream) return sendJson(response, message);

    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
    });
    for (const event of toStream(message)) {
      if (response.destroyed) return;
      response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      if (pieceMs > 0 && event.type === 'content_block_delta') await sleep(pieceMs);
    }
    response.end();
  }

  return serveLoopback(handle);
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_REQUEST_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
