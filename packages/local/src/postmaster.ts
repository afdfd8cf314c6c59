import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, errorCode } from '@mobvibe/cli';
import { type Account, asAccount, bareEnvironment } from './account.ts';
import type { Binaries } from './binaries.ts';
import { isPostgresOn, type Postmaster, runningPostmaster } from './running.ts';
import { serverSettings } from './settings.ts';
import { spawnWatched } from './watched.ts';

const POLL_MILLISECONDS = 15;

export interface Launch {
  binaries: Binaries;
  data: string;
  port: number;
  log: string;
  account: Account | undefined;
  durable: boolean;
  signal?: AbortSignal | undefined;
  /** How long the server may take to accept connections. */
  timeoutSeconds: number;
}

/** How a launch ended. `orphans`: processes of a killed server still hold its shared memory. */
export type Launched =
  | { outcome: 'ready'; postmaster: Postmaster; child: ChildProcess }
  | { outcome: 'port taken' | 'orphans' | 'failed'; reason: string };

/** Starts a server that outlives this process, and waits until it accepts connections. */
export function launchDetached(launch: Launch): Promise<Launched> {
  return launchWith(launch, (log) =>
    spawn(launch.binaries.postgres, serverArguments(launch), {
      ...spawnOptions(launch),
      stdio: ['ignore', log, log],
    }),
  );
}

/**
 * Starts a server that ends with this process, even when that is killed, and waits until it accepts connections.
 * `removeWhenOrphaned` names a directory that then goes too.
 */
export function launchWatched(launch: Launch, removeWhenOrphaned = ''): Promise<Launched> {
  return launchWith(launch, (log) =>
    spawnWatched(launch.binaries.postgres, serverArguments(launch), {
      ...spawnOptions(launch),
      stdio: ['pipe', log, log],
      removeWhenOrphaned,
    }),
  );
}

// -D comes first: isPostgresOn looks for it.
function serverArguments({ data, port, durable }: Launch): string[] {
  return ['-D', data, '-p', String(port), ...serverSettings({ durable })];
}

// A session of its own, so that Ctrl-C does not reach it.
function spawnOptions({ data, account }: Launch) {
  return { cwd: data, env: bareEnvironment(), detached: true, ...asAccount(account) };
}

async function launchWith(launch: Launch, start: (log: number) => ChildProcess): Promise<Launched> {
  const log = openSync(launch.log, 'a', 0o600);
  const { size: logStart } = await stat(launch.log);
  const child = start(log);
  closeSync(log);
  child.unref();
  let ended: string | undefined;
  child.once('exit', () => {
    ended = '';
  });
  child.once('error', (error) => {
    ended = error.message;
  });

  const deadline = Date.now() + launch.timeoutSeconds * 1000;
  while (ended === undefined) {
    const postmaster = runningPostmaster(launch.data);
    if (postmaster?.ready) return { outcome: 'ready', postmaster, child };
    if (launch.signal?.aborted || Date.now() > deadline) {
      await abandon(child);
      launch.signal?.throwIfAborted();
      const said = await reasonInLog(launch.log, logStart);
      return { outcome: 'failed', reason: `not ready after ${launch.timeoutSeconds} s: ${said}` };
    }
    await sleep(POLL_MILLISECONDS);
  }
  const reason = ended || (await reasonInLog(launch.log, logStart));
  if (/could not bind .*Address already in use/.test(reason)) return { outcome: 'port taken', reason };
  if (/pre-existing shared memory block/.test(reason)) return { outcome: 'orphans', reason };
  return { outcome: 'failed', reason };
}

// The child is the server itself, or the shell above it, which ends it when the pipe closes.
async function abandon(child: ChildProcess): Promise<void> {
  if (child.stdin) child.stdin.destroy();
  else child.kill('SIGQUIT');
  const killAll = setTimeout(() => signalProcess(-(child.pid as number), 'SIGKILL'), 5_000);
  await childEnded(child);
  clearTimeout(killAll);
}

/** The line that says why a server did not start, among those written to its log from `offset` on. */
async function reasonInLog(log: string, offset: number): Promise<string> {
  const file = await open(log, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64 * 1024), 0, undefined, offset);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n').filter(Boolean);
    const last = (pattern: RegExp) => lines.findLast((line) => pattern.test(line));
    const line =
      last(/could not bind .*in use/) ?? last(/(FATAL|PANIC): /) ?? last(/ERROR: /) ?? lines.at(-1) ?? '';
    return line.replace(/^.*?(?:FATAL|PANIC|ERROR|LOG): +/, '');
  } finally {
    await file.close();
  }
}

const SHUTDOWN = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const;

/** Asks a server to stop; true when it is gone within the time. */
export async function stopPostmaster(
  data: string,
  pid: number,
  how: keyof typeof SHUTDOWN,
  timeoutSeconds: number,
): Promise<boolean> {
  // After a crash the number may be somebody else's.
  if (isPostgresOn(data, pid)) signalProcess(pid, SHUTDOWN[how]);
  const deadline = Date.now() + timeoutSeconds * 1000;
  while (isPostgresOn(data, pid)) {
    if (Date.now() > deadline) return false;
    await sleep(POLL_MILLISECONDS);
  }
  return true;
}

/** Waits for the end of a child process. */
export async function childEnded(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  await once(child, 'exit');
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return;
    if (errorCode(error) !== 'EPERM') throw error;
    throw new CommandError(
      `the server (process ${pid}) belongs to another user`,
      'run this as the user who started it',
      { cause: error },
    );
  }
}

/** Removes a postmaster.pid whose process is gone or is not ours: Postgres refuses to start on the latter. */
export async function clearStalePidFile(data: string): Promise<void> {
  if (!runningPostmaster(data)) await rm(join(data, 'postmaster.pid'), { force: true });
}

/**
 * Ends what a killed server left behind. Most of its processes end by themselves as soon as they look up, but one
 * with a long query may not for hours. Only Linux says which those are.
 */
export async function endOrphans(data: string): Promise<void> {
  if (process.platform !== 'linux' || runningPostmaster(data)) return;
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (pid && isBackendOn(data, pid)) signalProcess(pid, 'SIGQUIT');
  }
}

function isBackendOn(data: string, pid: number): boolean {
  try {
    return (
      readlinkSync(`/proc/${pid}/cwd`) === data &&
      readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'postgres'
    );
  } catch {
    return false;
  }
}
