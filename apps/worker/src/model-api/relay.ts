import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { sendApiError } from '../model-server/api-error.ts';
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
    const { 'x-api-key': key } = request.headers;
    if (typeof key !== 'string' || !granted.has(key)) {
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
    } as RequestInit);
    response.writeHead(answer.status, forwarded(answer.headers.entries()));
    if (answer.body) await pipeline(Readable.fromWeb(answer.body as import('node:stream/web').ReadableStream), response);
    else response.end();
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else sendApiError(response, 'api_error', 'the Messages API cannot be reached');
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    kind: 'anthropic',
    grant() {
      const apiKey = `run-${randomBytes(24).toString('base64url')}`;
      granted.add(apiKey);
      return { baseUrl, apiKey, revoke: () => granted.delete(apiKey) };
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function forwarded(headers: Iterable<[string, string | string[] | undefined]>): Record<string, string> {
  return Object.fromEntries(
    [...headers].flatMap(([name, value]) =>
      value === undefined || NOT_FORWARDED.has(name) ? [] : [[name, String(value)]],
    ),
  );
}
