import { once } from 'node:events';
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import getPort from 'get-port';
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { getMimeType } from 'hono/utils/mime';
import { buildPage, type PageFiles } from './build.ts';
import type { PageConfig } from './config.ts';

/** The port of the Studio of the Supabase CLI. */
const USUAL_PORT = 54323;

export interface Page {
  url: string;
  close(): Promise<void>;
}

/**
 * Serves the page on 127.0.0.1, on `port` or, where that is taken, on a free one. It is built when somebody first looks:
 * until then it costs nothing.
 */
export async function servePage(
  config: PageConfig,
  { port = USUAL_PORT }: { port?: number } = {},
): Promise<Page> {
  let built: Promise<PageFiles> | undefined;
  const files = () => {
    built ??= buildPage();
    return built;
  };
  const listener = getRequestListener(pageApp(files, config).fetch, { overrideGlobalObjects: false });
  const server = createServer(listener);
  const free = await getPort({ port, host: '127.0.0.1' });
  server.listen(free, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${free}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The page as an application: its files, `/config.json`, and headers that keep everything else out. */
function pageApp(files: () => Promise<PageFiles>, config: PageConfig): Hono {
  const api = new URL(config.supabaseUrl);
  const app = new Hono();
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        // Realtime is a WebSocket to the same place.
        connectSrc: ["'self'", api.origin, api.origin.replace(/^http/, 'ws')],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
      strictTransportSecurity: false,
    }),
  );
  app.onError((error, c) => c.text(`${error.message}\n`, 500));
  app.get('/config.json', (c) => {
    c.header('cache-control', 'no-store');
    return c.json(config);
  });
  app.get('*', async (c) => {
    const path = c.req.path === '/' ? '/index.html' : c.req.path;
    const content = (await files()).get(path);
    if (!content) return c.text('not found\n', 404);
    // The names of assets change with their content.
    const immutable = path.startsWith('/assets/');
    c.header('cache-control', immutable ? 'public, max-age=31536000, immutable' : 'no-cache');
    c.header('content-type', getMimeType(path) ?? 'application/octet-stream');
    return c.body(content);
  });
  return app;
}
