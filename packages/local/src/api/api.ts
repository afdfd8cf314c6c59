import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { errorCode } from '@mobvibe/cli';
import type { Pool } from 'pg';
import { portTaken } from '../port.ts';
import { authRoutes } from './auth/routes.ts';
import { asRole, createPool } from './database.ts';
import { createGateway } from './gateway.ts';
import type { StackKeys } from './keys.ts';
import { refuseProduction } from './production.ts';
import { createRealtime } from './realtime/index.ts';
import { postgrestBinary } from './rest/binary.ts';
import { supervisePostgrest } from './rest/postgrest.ts';
import { createBlobs } from './storage/blobs.ts';
import { storageRoutes } from './storage/routes.ts';
import { createVerifier } from './tokens.ts';

export interface ApiOptions {
  /** The database to serve, which has the platform: host, port and name of it; the roles are the services' own. */
  databaseUrl: string;
  keys: StackKeys;
  /** Where the bytes of stored files go. */
  directory: string;
  /** 0: a free one. */
  port: number;
  log?(line: string): void;
}

export interface Api {
  url: string;
  port: number;
  /** Ends every connection and PostgREST. */
  close(): Promise<void>;
}

/**
 * Starts the API of Supabase on 127.0.0.1 – REST, Auth, Realtime, Storage – in this process; a development server.
 * @throws CommandError in production, without PostgREST, when the port is taken.
 */
export async function startApi(options: ApiOptions): Promise<Api> {
  refuseProduction();
  const { databaseUrl, keys, directory, log = () => {} } = options;
  const verify = createVerifier(keys);
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const end of stops.reverse().splice(0)) await end();
  };
  try {
    const blobs = await createBlobs(join(directory, 'storage'));
    const binary = await postgrestBinary();
    const [authPool, storagePool] = (['supabase_auth_admin', 'supabase_storage_admin'] as const).map(
      (role) => {
        const pool = createPool(databaseUrl, role, log);
        stops.push(() => pool.end());
        return pool;
      },
    ) as [Pool, Pool];
    const [rest, realtime] = await allStarted(stops, [
      supervisePostgrest({ binary, databaseUrl, keys, log }),
      createRealtime({ connection: asRole(databaseUrl, 'supabase_admin'), verify, log }),
    ]);
    let url = '';
    const auth = authRoutes({ pool: authPool, keys, verify, url: () => url, log });
    const storage = storageRoutes({ pool: storagePool, blobs, keys, verify, log });
    const gateway = createGateway(keys, { rest, auth, storage, realtime }, log);
    const port = await listen(gateway, options.port);
    stops.push(async () => {
      // Its 'close' waits for the WebSockets too, which Realtime ends next.
      gateway.close();
      gateway.closeAllConnections();
    });
    url = `http://127.0.0.1:${port}`;
    return { url, port, close: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

// What started is stopped when something beside it did not.
async function allStarted<A extends Closable, B extends Closable>(
  stops: (() => Promise<unknown>)[],
  starting: [Promise<A>, Promise<B>],
): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled(starting);
  for (const started of [first, second]) {
    if (started.status === 'fulfilled') stops.push(() => started.value.close());
  }
  if (first.status === 'rejected') throw first.reason;
  if (second.status === 'rejected') throw second.reason;
  return [first.value, second.value];
}

interface Closable {
  close(): Promise<void>;
}

async function listen(server: Server, port: number): Promise<number> {
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw error;
    throw portTaken(port, '--api-port');
  }
  return (server.address() as AddressInfo).port;
}
