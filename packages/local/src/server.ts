import { chown, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError, describe, withConnection } from '@mobvibe/cli';
import { type Account, canEnter, serverAccount } from './account.ts';
import { installedBinaries, usableBinaries } from './binaries.ts';
import { clusterExists, createCluster, launchCluster, launchOnAnyPort, removeUnfinished } from './cluster.ts';
import { explained } from './files.ts';
import { dataDirectory, openLayout, placeFor, writeRecord } from './layout.ts';
import { withLock } from './lock.ts';
import { bootstrapPlatform } from './platform.ts';
import { portTaken } from './port.ts';
import { childEnded, launchWatched, stopPostmaster } from './postmaster.ts';
import { silent } from './progress.ts';
import { type Layout, runningServer, serverUrl } from './running.ts';
import { removeData } from './stack.ts';

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

const STOP_SECONDS = 10;
// The process that asked for the server lives for minutes, not for weeks.
const REALTIME_DAYS = 3;

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
  { port: wanted, durable = true }: ServerOptions,
  temporary: string | undefined,
): Promise<Server> {
  const running = runningServer(layout);
  if (running) {
    throw new CommandError(
      `a server already runs in ${layout.directory} (process ${running.pid})`,
      'stop it, or give this one a directory of its own',
    );
  }
  const place = await placeFor(layout, account);
  const binaries = await usableBinaries(installedBinaries(), account);
  const data = dataDirectory(layout, place, account);
  await removeUnfinished(place);
  const exists = await clusterExists(data, binaries);
  if (!exists) {
    await createCluster({ data, place, log: layout.log, binaries, account, daysAhead: REALTIME_DAYS });
  }
  const launch = { binaries, data, log: layout.log, account, durable };
  const launched =
    wanted === undefined
      ? await launchOnAnyPort(launch, temporary)
      : await launchCluster({ ...launch, port: wanted }, (on) => launchWatched(on, temporary), silent);
  if (!launched) throw portTaken(wanted as number);
  const { postmaster, child } = launched;
  const { pid, port } = postmaster;
  const adminUrl = serverUrl(port, 'supabase_admin');
  await writeRecord(layout, { data, port });
  if (exists) {
    // It may be of another day, or of an older checkout.
    await withConnection(describe(adminUrl), (client) =>
      bootstrapPlatform(client, { daysAhead: REALTIME_DAYS }),
    );
  }
  return {
    url: serverUrl(port),
    adminUrl,
    port,
    directory: layout.directory,
    stop: async ({ remove = false } = {}) => {
      const end = remove || temporary !== undefined;
      const stopped = !end && (await stopPostmaster(data, pid, 'fast', STOP_SECONDS));
      // Data that goes away need not be written down first.
      if (!stopped) await stopPostmaster(data, pid, 'immediate', STOP_SECONDS);
      await childEnded(child);
      if (remove) await removeAll(layout);
      if (temporary) await rm(temporary, { recursive: true, force: true });
    },
  };
}

async function removeAll(layout: Layout): Promise<void> {
  await removeData(layout);
  for (const path of [layout.record, layout.log]) await rm(path, { force: true });
  // What somebody else keeps in it stays.
  await rmdir(layout.directory).catch(() => {});
}

// Its owner is who runs the server, so that the watcher of a killed process can remove it.
async function temporaryDirectory(account: Account | undefined): Promise<string> {
  const parent = [tmpdir(), '/var/tmp'].find((path) => canEnter(path, account)) ?? tmpdir();
  const directory = await mkdtemp(join(parent, 'mobvibe-postgres-'));
  if (account) await chown(directory, account.uid, account.gid);
  return directory;
}
