import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, describe, withConnection } from '@mobvibe/cli';
import getPort from 'get-port';
import { type Account, run } from './account.ts';
import type { Binaries } from './binaries.ts';
import { bootstrapPlatform } from './platform.ts';
import {
  childEnded,
  clearStalePidFile,
  endOrphans,
  type Launch,
  type Launched,
  launchWatched,
  stopPostmaster,
} from './postmaster.ts';
import { type Progress, silent } from './progress.ts';
import { LOCAL_PASSWORD, type Postmaster, runningPostmaster, serverUrl } from './running.ts';

const START_SECONDS = 60;
const ORPHAN_SECONDS = 15;

/**
 * Whether a data directory is there and can be used.
 * @throws CommandError when another major version of Postgres made it, or when something else is in its place.
 */
export async function clusterExists(data: string, binaries: Binaries): Promise<boolean> {
  if (!existsSync(join(data, 'PG_VERSION'))) {
    if (!existsSync(data) || (await readdir(data)).length === 0) return false;
    throw new CommandError(
      `${data} is in the way: it is no data directory of Postgres`,
      'move it away, or name another directory with --directory',
    );
  }
  const made = (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim();
  const major = binaries.version.split('.')[0];
  if (made === major) return true;
  throw new CommandError(
    `Postgres ${made} made the data in ${data}, and this is Postgres ${major}`,
    'pnpm local reset (deletes that data), or start with --directory elsewhere',
  );
}

/**
 * Makes a data directory with the platform in it. It is built under another name, so that one that was interrupted
 * is never taken for a whole one; `removeUnfinished` takes those away.
 */
export async function createCluster(options: {
  data: string;
  place: string;
  log: string;
  binaries: Binaries;
  account: Account | undefined;
  daysAhead: number;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const { data, place, log, binaries, account, daysAhead, signal } = options;
  const build = await mkdtemp(join(place, 'data.new-'));
  try {
    const unfinished = join(build, 'data');
    const passwordFile = join(build, 'password');
    await writeFile(passwordFile, LOCAL_PASSWORD, { mode: 0o600 });
    if (account) for (const path of [build, passwordFile]) await chown(path, account.uid, account.gid);
    await initialize(unfinished, passwordFile, { binaries, account, signal });
    const server = await launchOnAnyPort({ binaries, data: unfinished, log, account, signal });
    try {
      const adminUrl = serverUrl(server.postmaster.port, 'supabase_admin');
      await withConnection(describe(adminUrl), (client) => bootstrapPlatform(client, { daysAhead }));
    } finally {
      await stopPostmaster(unfinished, server.postmaster.pid, 'fast', 30);
      await childEnded(server.child);
    }
    signal?.throwIfAborted();
    await rename(unfinished, data);
  } finally {
    await removeTree(build);
  }
}

async function initialize(
  data: string,
  passwordFile: string,
  {
    binaries,
    account,
    signal,
  }: { binaries: Binaries; account: Account | undefined; signal: AbortSignal | undefined },
): Promise<void> {
  const { code, stderr } = await run(
    binaries.initdb,
    [
      `--pgdata=${data}`,
      '--username=supabase_admin',
      '--auth=scram-sha-256',
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-sync',
      '--no-instructions',
    ],
    account,
    { signal },
  );
  signal?.throwIfAborted();
  if (code === 0) return;
  const lines = stderr.trim().split('\n');
  const problem =
    lines.findLast((line) => /FATAL|PANIC|error:/.test(line)) ?? lines.at(-1) ?? `exit code ${code}`;
  throw new CommandError(
    `initdb cannot make ${data}: ${problem.replace(/^initdb: error: /, '')}`,
    'make sure that the disk has room and can be written, or name another directory with --directory',
  );
}

export interface LaunchedCluster {
  postmaster: Postmaster;
  child: ChildProcess;
}

/**
 * Launches a server on its data directory, whatever a killed one left there. Undefined when the port is taken.
 * @throws CommandError with the reason from the server's log.
 */
export async function launchCluster(
  options: Omit<Launch, 'timeoutSeconds'>,
  launch: (options: Launch) => Promise<Launched>,
  progress: Progress,
): Promise<LaunchedCluster | undefined> {
  const { data, port, binaries, log, signal } = options;
  return progress.step(`Postgres ${binaries.version} on port ${port}`, async (step) => {
    const deadline = Date.now() + ORPHAN_SECONDS * 1000;
    for (let attempt = 0; ; attempt++) {
      await clearStalePidFile(data);
      const notice = setTimeout(
        () => step.update(`waiting up to ${START_SECONDS} s for the server to accept connections`),
        1_000,
      );
      const launched = await launch({ ...options, timeoutSeconds: START_SECONDS }).finally(() =>
        clearTimeout(notice),
      );
      if (launched.outcome === 'ready') return { postmaster: launched.postmaster, child: launched.child };
      if (launched.outcome === 'port taken') return undefined;
      if (launched.outcome === 'failed' || Date.now() > deadline) throw startFailed(launched.reason, log);
      signal?.throwIfAborted();
      if (attempt === 0) {
        step.update(`waiting up to ${ORPHAN_SECONDS} s for the processes of a killed server to end`);
      }
      await endOrphans(data);
      await sleep(100);
    }
  });
}

/** Launches a server that ends with this process, on a port that nobody else uses. */
export async function launchOnAnyPort(
  options: Omit<Launch, 'port' | 'durable' | 'timeoutSeconds'> & { durable?: boolean },
  removeWhenOrphaned?: string,
): Promise<LaunchedCluster> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const port = await getPort({ host: '127.0.0.1' });
    const launched = await launchCluster(
      { durable: false, ...options, port },
      (launch) => launchWatched(launch, removeWhenOrphaned),
      silent,
    );
    if (launched) return launched;
  }
  throw new CommandError('every free port was taken before the server had it', 'try again');
}

/** Takes away what interrupted starts and resets left, servers included. */
export async function removeUnfinished(place: string): Promise<void> {
  for (const name of existsSync(place) ? await readdir(place) : []) {
    if (!name.startsWith('data.new-') && !name.startsWith('data.old-')) continue;
    const data = join(place, name, 'data');
    const server = runningPostmaster(data);
    if (server) await stopPostmaster(data, server.pid, 'immediate', 10);
    await removeTree(join(place, name));
  }
}

/** Deletes a data directory, which is whole until it is gone: half of one would be in the way. */
export async function removeCluster(data: string): Promise<void> {
  // Whatever else has that name is none of ours.
  if (!existsSync(join(data, 'PG_VERSION'))) return;
  const doomed = await mkdtemp(join(dirname(data), 'data.old-'));
  await rename(data, join(doomed, 'data'));
  await removeTree(doomed);
}

// A process that is about to end may still write.
function removeTree(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

function startFailed(reason: string, log: string): CommandError {
  return new CommandError(
    `Postgres did not start: ${reason || 'it said nothing'}`,
    `read ${log}; if the data may go, pnpm local reset makes it anew`,
  );
}
