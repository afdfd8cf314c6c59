import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError } from '@mobvibe/cli';
import getPort from 'get-port';
import { type Account, canEnter, serverAccount } from './account.ts';
import { type Binaries, installedBinaries, usableBinaries } from './binaries.ts';
import { clusterExists, createCluster, removeUnfinished, serverUrl, startFailed } from './cluster.ts';
import { explained, type Layout, layoutOf, openLayout, placeFor, writeRecord } from './layout.ts';
import { withLock } from './lock.ts';
import { portTaken } from './port.ts';
import { childEnded, clearStalePidFile, endOrphans, launchWatched, stopPostmaster } from './postmaster.ts';
import { silent } from './progress.ts';
import { removeData, runningStack } from './stack.ts';

export interface ServerOptions {
  /** Where data and log go, kept afterwards. Left out: a temporary directory, removed when the server ends. */
  directory?: string;
  /** Left out: a free one. */
  port?: number;
  /** False: faster, and a crash of the machine may lose the data. For tests. */
  durable?: boolean;
}

export interface Server {
  /** As postgres, who owns the database and is no superuser. */
  url: string;
  /** As supabase_admin, the superuser. */
  adminUrl: string;
  port: number;
  /** Where data and log lie. */
  directory: string;
  /** Stops the server; every connection to it ends. `remove` also deletes its data. */
  stop(options?: { remove?: boolean }): Promise<void>;
}

const START_SECONDS = 60;
const ORPHAN_SECONDS = 15;

/**
 * Starts a Postgres with the Supabase platform that lives no longer than this process, whatever ends that.
 *
 * @throws CommandError when it cannot start, or when another process runs a server in that directory.
 */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const account = serverAccount();
  const temporary = options.directory === undefined ? await temporaryDirectory(account) : undefined;
  const layout = await openLayout(temporary ?? options.directory);
  try {
    return await explained(layout.directory, () =>
      withLock(layout, silent, undefined, () => startLocked(layout, account, options, temporary)),
    );
  } catch (error) {
    if (temporary) await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

async function startLocked(
  layout: Layout,
  account: Account | undefined,
  { port, durable = true }: ServerOptions,
  temporary: string | undefined,
): Promise<Server> {
  const running = runningStack(layout);
  if (running) {
    throw new CommandError(
      `a server already runs in ${layout.directory} (process ${running.pid})`,
      'stop it, or give this one a directory of its own',
    );
  }
  const place = await placeFor(layout, account);
  const binaries = await usableBinaries(installedBinaries(), place, account);
  const data = join(place, 'postgres');
  await removeUnfinished(place);
  if (!clusterExists(data, binaries)) {
    await rm(data, { recursive: true, force: true });
    await createCluster({ data, place, log: layout.log, binaries, account, daysAhead: 3 });
  }
}
