import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAdaptorServer } from '@hono/node-server';
import { CommandError, errorCode } from '@mobvibe/cli';
import { Hono } from 'hono';
import type { Registry } from 'prom-client';

export interface HealthServer {
  url: string;
  close(): Promise<void>;
}

export interface HealthServerOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  isStopping(): boolean;
  /** Resolves when the database answered. */
  ping(): Promise<unknown>;
  registry: Registry;
}

// A probe that waits longer counts as failed with most orchestrators.
const PING_MS = 900;

/**
 * Serves /healthz (the process works), /readyz (it also reaches the database, and is not stopping) and /metrics.
 * @throws CommandError when the port cannot be listened on.
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { host, port, registry } = options;
  const app = new Hono();
  app.get('/healthz', (context) => context.json({ status: 'ok' }));
  app.get('/readyz', async (context) => {
    const reason = await whyNotReady(options);
    return reason ? context.json({ status: reason }, 503) : context.json({ status: 'ready' });
  });
  app.get('/metrics', async (context) =>
    context.body(await registry.metrics(), 200, { 'content-type': registry.contentType }),
  );

  const server = createAdaptorServer({ fetch: app.fetch });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  }).catch((error) => {
    throw new CommandError(
      `cannot listen on ${host}:${port}: ${errorCode(error)}`,
      'name a free port with --port, and an address of this machine with --host',
      { cause: error },
    );
  });
  const { address, family, port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}

async function whyNotReady({ isStopping, ping }: HealthServerOptions): Promise<string | undefined> {
  if (isStopping()) return 'stopping';
  const answered = await Promise.race([
    ping().then(
      () => true,
      () => false,
    ),
    sleep(PING_MS, false, { ref: false }),
  ]);
  return answered ? undefined : 'the database does not answer';
}
