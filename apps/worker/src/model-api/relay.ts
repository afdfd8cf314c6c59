import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { sendApiError } from '../http/api-error.ts';
import { keyOf, serveLoopback } from '../http/loopback.ts';
import type { ModelApi } from './model-api.ts';

// What the connection is made of, and what fetch sets or undoes itself.
const NOT_FORWARDED = new Set([
  'accept-encoding',
  'authorization',
  'connection',
  'content-encoding',
  'content-length',
  'host',
  'keep-alive',
  'transfer-encoding',
  'x-api-key',
]);

/**
 * The Messages API through a relay on loopback. Whatever the prompt says, the agent's shell can print its own
 * environment: it holds a key of one run, and the relay puts the real one in its place.
 */
export async function openAnthropicRelay(upstream: { baseUrl: string; apiKey: string }): Promise<ModelApi> {
  const granted = new Set<string>();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!granted.has(keyOf(request) ?? '')) {
      return sendApiError(response, 'authentication_error', 'invalid x-api-key');
    }
    const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method !== 'POST' || !/^\/v1\/messages(\/count_tokens)?$/.test(pathname)) {
      return sendApiError(response, 'not_found_error', 'Not found');
    }
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const answer = await fetch(`${upstream.baseUrl.replace(/\/$/, '')}${pathname}${search}`, {
      method: 'POST',
      headers: { ...forwarded(Object.entries(request.headers)), 'x-api-key': upstream.apiKey },
      body: Readable.toWeb(request) as ReadableStream,
      duplex: 'half',
      signal: gone.signal,
    } as RequestInit).catch((cause) => {
      throw new Error('the Messages API cannot be reached', { cause });
    });
    response.writeHead(answer.status, forwarded(answer.headers.entries()));
    if (answer.body)
      await pipeline(Readable.fromWeb(answer.body as import('node:stream/web').ReadableStream), response);
    else response.end();
  }

  const { url: baseUrl, close } = await serveLoopback(handle);
  return {
    kind: 'anthropic',
    grant() {
      const apiKey = `run-${randomBytes(24).toString('base64url')}`;
      granted.add(apiKey);
      return { baseUrl, apiKey, revoke: () => granted.delete(apiKey) };
    },
    close,
  };
}

function forwarded(headers: Iterable<[string, string | string[] | undefined]>): Record<string, string> {
  return Object.fromEntries(
    [...headers].flatMap(([name, value]) =>
      value === undefined || NOT_FORWARDED.has(name) ? [] : [[name, String(value)]],
    ),
  );
}
