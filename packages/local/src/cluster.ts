import { existsSync, readFileSync } from 'node:fs';
import { chown, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, describe, withConnection } from '@mobvibe/cli';
import getPort from 'get-port';
import { type Account, run } from './account.ts';
import type { Binaries } from './binaries.ts';
import { bootstrapPlatform, LOCAL_PASSWORD } from './platform.ts';
import { childEnded, launchWatched, runningPostmaster, stopPostmaster } from './postmaster.ts';

/** Where a server with these credentials answers. */
export function serverUrl(port: number, role: 'postgres' | 'supabase_admin' = 'postgres'): string {
  return `postgresql://${role}:${LOCAL_PASSWORD}@127.0.0.1:${port}/postgres`;
}

/**
 * Whether a data directory is there and can be used.
 * @throws CommandError when another major version of Postgres made it.
 */
export function clusterExists(data: string, binaries: Binaries): boolean {
  if (!existsSync(join(data, 'PG_VERSION'))) return false;
  const made = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim();
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
    const server = await launchWatched({
      binaries,
      data: unfinished,
      port: await getPort({ host: '127.0.0.1' }),
      log,
      account,
      durable: false,
      signal,
      timeoutSeconds: 30,
    });
    if (server.outcome !== 'ready') throw startFailed(server.logLine, log);
    try {
      const { port } = runningPostmaster(unfinished) ?? {};
      if (!port) throw startFailed('the server ended at once', log);
      await withConnection(describe(serverUrl(port, 'supabase_admin')), (client) =>
        bootstrapPlatform(client, { daysAhead }),
      );
    } finally {
      await stopPostmaster(unfinished, server.pid, 'fast', 30);
      await childEnded(server.child);
    }
    signal?.throwIfAborted();
    await rename(unfinished, data);
  } finally {
    await rm(build, { recursive: true, force: true });
  }
}

async function initialize(
  data: string,
  passwordFile: string,
  { binaries, account, signal }: { binaries: Binaries; account: Account | undefined; signal: AbortSignal | undefined },
): Promise<void> {
  const { code, stderr } = await run(
    binaries.initdb,
    [
      ...['-D', data],
      ...['--username', 'supabase_admin'],
      ...['--auth', 'scram-sha-256', '--pwfile', passwordFile],
      ...['--encoding', 'UTF8', '--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
      '--no-sync',
      '--no-instructions',
    ],
    account,
    { signal },
  );
  signal?.throwIfAborted();
  if (code === 0) return;
  const lines = stderr.trim().split('\n');
  const problem = lines.findLast((line) => /FATAL|PANIC|error:/.test(line)) ?? lines.at(-1) ?? `exit code ${code}`;
  throw new CommandError(
    `initdb cannot make ${data}: ${problem.replace(/^initdb: error: /, '')}`,
    'make sure that the disk has room and can be written, or name another directory with --directory',
  );
}

/** Takes away what interrupted starts left, servers included. */
export async function removeUnfinished(place: string): Promise<void> {
  for (const name of await readdir(place)) {
    if (!name.startsWith('data.new-')) continue;
    const data = join(place, name, 'data');
    const server = runningPostmaster(data);
    if (server) await stopPostmaster(data, server.pid, 'immediate', 10);
    await rm(join(place, name), { recursive: true, force: true });
  }
}

export function startFailed(logLine: string, log: string): CommandError {
  return new CommandError(
    `Postgres did not start: ${logLine || 'it said nothing'}`,
    `read ${log}; if the data may go, pnpm local reset makes it anew`,
  );
}
