import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { createClient, type RealtimeChannel, type SupabaseClient } from '@supabase/supabase-js';
import { jwtVerify, SignJWT } from 'jose';
import { vi } from 'vitest';
import { WebSocket } from 'ws';
import {
  createRealtime,
  type Limits,
  type Realtime,
} from '../../../packages/local/src/api/realtime/index.ts';

const SECRET = new TextEncoder().encode('a secret of tests that is at least 32 bytes long');

/** Realtime over one database, behind an HTTP server of its own. */
export interface TestRealtime {
  port: number;
  realtime: Realtime;
  /** What it logged. */
  lines: string[];
  /** A supabase-js client with that token, or as anon. */
  client(token?: string, options?: { vsn?: string }): SupabaseClient;
  /** A bare WebSocket, for what supabase-js would not send. */
  socket(query?: string): WebSocket;
  /** POST below /realtime/v1. */
  post(path: string, body: unknown, token?: string): Promise<Response>;
  /** Cuts every WebSocket, as a lost network does. */
  cut(): void;
  /** Ends the HTTP server alone, as a crash would. */
  closeServer(): Promise<void>;
  /** Ends all clients. */
  disconnect(): Promise<void>;
  close(): Promise<void>;
}

/** A token as Supabase Auth signs it. */
export function tokenFor(
  sub: string | undefined,
  { role = 'authenticated', seconds = 3600, ...claims }: { role?: string; seconds?: number } & object = {},
): Promise<string> {
  // The id keeps two tokens of one second apart.
  const jwt = new SignJWT({ role, jti: randomUUID(), ...claims, ...(sub === undefined ? {} : { sub }) });
  return jwt
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
    .sign(SECRET);
}

export const anonKey = await tokenFor(undefined, { role: 'anon' });
export const serviceKey = await tokenFor(undefined, { role: 'service_role' });

/** Starts Realtime over the database at `connection`. */
export async function startRealtime(
  connection: string,
  limits: Partial<Limits> = {},
  { port: wanted = 0, privateOnly = false } = {},
): Promise<TestRealtime> {
  const lines: string[] = [];
  const realtime = await createRealtime({
    connection,
    limits,
    privateOnly,
    log: (line) => lines.push(line),
    verify: async (keyOrToken) => {
      const { payload } = await jwtVerify(keyOrToken, SECRET);
      return { role: String(payload.role), claims: payload };
    },
  });
  const server = createServer(
    getRequestListener((request) => {
      const url = request.url.replace('/realtime/v1', '');
      return realtime.http.fetch(new Request(url, request));
    }),
  );
  const sockets = new Set<Duplex>();
  server.on('upgrade', (request, socket, head) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    realtime.upgrade(request, socket, head);
  });
  server.listen(wanted, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const clients: SupabaseClient[] = [];

  const disconnect = async () => {
    for (const client of clients.splice(0)) await client.realtime.disconnect();
  };

  const closeServer = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };

  return {
    port,
    realtime,
    lines,
    client(token, { vsn = '2.0.0' } = {}) {
      const client = createClient(`http://127.0.0.1:${port}`, anonKey, {
        accessToken: async () => token ?? anonKey,
        realtime: {
          transport: WebSocket as never,
          vsn,
          // Tests need not wait as long as users do.
          reconnectAfterMs: () => 50,
        },
      });
      clients.push(client);
      return client;
    },
    socket: (query = `apikey=${anonKey}&vsn=2.0.0`) =>
      new WebSocket(`ws://127.0.0.1:${port}/realtime/v1/websocket?${query}`),
    post: (path, body, token = anonKey) =>
      fetch(`http://127.0.0.1:${port}/realtime/v1${path}`, {
        method: 'POST',
        headers: { apikey: anonKey, authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    disconnect,
    closeServer,
    async close() {
      await disconnect();
      await realtime.close();
      await closeServer();
    },
  };
}

/** Joins, and says what came of it: `SUBSCRIBED`, or the error's message. */
export async function join(channel: RealtimeChannel): Promise<string> {
  // The client learns its token asynchronously; before that it joins as the owner of its key.
  await channel.socket.setAuth();
  return new Promise((resolve) => {
    channel.subscribe((status, error) => resolve(error ? error.message : status));
  });
}

/** Everything a channel receives as broadcast, in order. */
export function received(channel: RealtimeChannel, event = '*'): { event: string; payload: unknown }[] {
  const messages: { event: string; payload: unknown }[] = [];
  channel.on('broadcast', { event }, (message) => messages.push(message as never));
  return messages;
}

/** Waits for a condition; the machine may be busy. */
export const until = (condition: () => unknown): Promise<unknown> =>
  vi.waitUntil(condition, { timeout: 10_000, interval: 10 });
