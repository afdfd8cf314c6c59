import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sendApiError } from './api-error.ts';

export interface LoopbackServer {
  url: string;
  close(): Promise<void>;
}

/** Serves a Messages API on a free port of 127.0.0.1. What `handle` throws becomes an `api_error`. */
export async function serveLoopback(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<LoopbackServer> {
  const server = createServer((request, response) => {
    handle(request, response).catch((error) => {
      if (response.headersSent) response.destroy();
      else
        sendApiError(response, 'api_error', error instanceof Error ? error.message : 'Internal server error');
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The API key of a request, in either of the two headers in which clients send it. */
export function keyOf(request: IncomingMessage): string | undefined {
  const key = request.headers['x-api-key'];
  return typeof key === 'string' ? key : request.headers.authorization?.replace(/^Bearer /, '');
}
