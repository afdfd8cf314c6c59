import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { oneLine } from '@mobvibe/cli';
import { type Context, Hono, type Next } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { cors } from 'hono/cors';
import type { StackKeys } from './keys.ts';
import type { Postgrest } from './rest/postgrest.ts';
import { restRoutes } from './rest/routes.ts';
import { apiKey } from './tokens.ts';

const MEBIBYTE = 1024 * 1024;
const SECOND = 1_000;

/** An application that sees the requests of Node itself. */
export type NodeApp = Hono<{ Bindings: HttpBindings }>;

/** What stands behind the gateway. */
export interface Services {
  rest: Postgrest;
  auth: NodeApp;
  storage: NodeApp;
  realtime: {
    upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
    http: Hono;
  };
}

/**
 * One HTTP server in front of all services, as Kong is on Supabase: CORS, the apikey, sizes and times within bounds.
 * It does not listen yet.
 */
export function createGateway(keys: StackKeys, services: Services, log: (line: string) => void): Server {
  const app: NodeApp = new Hono();
  const limit = (mebibytes: number) =>
    bodyLimit({
      maxSize: mebibytes * MEBIBYTE,
      onError: (c) => c.json({ message: `the body is larger than ${mebibytes} MiB` }, 413),
    });

  app.onError((error, c) => {
    log(`gateway: ${c.req.method} failed: ${oneLine(error)}`);
    return c.json({ message: 'Internal Server Error' }, 500);
  });
  app.notFound((c) => c.json({ message: 'no Route matched with those values' }, 404));

  app.get('/', (c) => c.text('MobVibe local stack: a development server, never for production.\n'));
  app.use(
    cors({
      origin: '*',
      allowMethods: ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE', 'OPTIONS'],
      exposeHeaders: EXPOSED_HEADERS,
      maxAge: 3600,
    }),
  );
  app.use(closeWhenUnread);
  app.use(requireApiKey(keys));
  app.use('/rest/v1/*', limit(16), compress());
  app.use('/auth/v1/*', limit(1));
  app.use('/realtime/v1/*', limit(4));
  app.route('/rest/v1', restRoutes(services.rest, keys));
  app.route('/auth/v1', services.auth);
  app.route('/storage/v1', services.storage);
  app.route('/realtime/v1', services.realtime.http);

  const server = createServer(
    { headersTimeout: 10 * SECOND, requestTimeout: 300 * SECOND, keepAliveTimeout: 75 * SECOND },
    // In a program that starts the API, Request and Response stay what they are.
    getRequestListener(app.fetch, { overrideGlobalObjects: false }),
  );
  // Above what a phone, a test suite and a load test together need; below what a machine has file descriptors for.
  server.maxConnections = 8_192;
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    // Not parsed as a URL: it need not be one.
    const [path] = request.url?.split('?', 1) ?? [];
    if (path === '/realtime/v1/websocket') services.realtime.upgrade(request, socket, head);
    else socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    const status =
      error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  });
  return server;
}

// What is still on its way was not wanted: the client must not send its next request behind it.
async function closeWhenUnread(c: Context<{ Bindings: HttpBindings }>, next: Next): Promise<void> {
  await next();
  if (!c.env.incoming.complete && c.res.status >= 400) c.header('connection', 'close');
}

const EXPOSED_HEADERS = [
  'content-range',
  'content-profile',
  'content-location',
  'content-disposition',
  'etag',
  'link',
  'location',
  'preference-applied',
  'x-supabase-api-version',
  'x-total-count',
];

// What a browser or another program opens without being able to send a header: a token of its own, or public.
const OPEN = [
  /^\/auth\/v1\/(health|\.well-known\/jwks\.json)$/,
  /^\/storage\/v1\/object\/(info\/)?public\//,
  /^\/storage\/v1\/object\/(upload\/)?sign\//,
];

/** Refuses a request without an API key of this stack. */
function requireApiKey({ anonKey, serviceRoleKey, publishableKey, secretKey }: StackKeys) {
  const known = new Set([anonKey, serviceRoleKey, publishableKey, secretKey]);
  return async (c: Context, next: Next) => {
    const key = apiKey(c.req);
    if (key !== undefined && known.has(key)) return next();
    if (c.req.method !== 'POST' && OPEN.some((pattern) => pattern.test(c.req.path))) return next();
    const refusal = key
      ? { message: 'Invalid API key', hint: 'pnpm local env prints the keys of this stack' }
      : {
          message: 'No API key found in request',
          hint: 'No `apikey` request header or url param was found.',
        };
    return c.json(refusal, 401);
  };
}
