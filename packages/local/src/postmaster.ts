import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, errorCode } from '@mobvibe/cli';
import { type Account, asAccount } from './account.ts';
import type { Binaries } from './binaries.ts';
import { serverSettings } from './settings.ts';

/** A server process and where it listens, as its postmaster.pid says. */
export interface Postmaster {
  pid: number;
  port: number;
  startedAt: Date;
  /** False while it recovers, starts or stops. */
  ready: boolean;
}

/**
 * The server that runs on a data directory. A postmaster.pid alone proves nothing: the process may be dead, and its
 * number may have gone to somebody else.
 */
export function runningPostmaster(data: string): Postmaster | undefined {
  let lines: string[];
  try {
    lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
  const pid = Number(lines[0]);
  if (!pid || !isPostgresOn(data, pid)) return undefined;
  return {
    pid,
    port: Number(lines[3]),
    startedAt: new Date(Number(lines[2]) * 1000),
    ready: lines[7]?.trim() === 'ready',
  };
}

function isPostgresOn(data: string, pid: number): boolean {
  const commandLine = process.platform === 'linux' ? procCommandLine(pid) : psCommandLine(pid);
  return commandLine.includes(`/postgres -D ${data} `);
}

function procCommandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

function psCommandLine(pid: number): string {
  try {
    return execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return '';
  }
}

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
  | { outcome: 'ready'; pid: number; child: ChildProcess }
  | { outcome: 'port taken' | 'orphans' | 'failed'; logLine: string };

/** Starts a server that outlives this process, and waits until it accepts connections. */
export function launchDetached(launch: Launch): Promise<Launched> {
  return launchWith(launch, (stdio) =>
    spawn(launch.binaries.postgres, serverArguments(launch), { ...stdio, detached: true }),
  );
}

// The server and a watcher that reads from a pipe which nobody writes to: the read returns when this process ends,
// however it ends, because the system then closes the other side. The shell is the server's parent, so the number
// that the watcher signals is never somebody else's. A session of their own, so that Ctrl-C reaches neither.
const WATCHED = `
exec 3<&0
remove=$1; shift
"$@" </dev/null 3<&- &
server=$!
(
  read -r _ <&3
  trap '' TERM
  kill -INT "$server"
  while kill -0 "$server" 2>/dev/null; do sleep 0.1; done
  if [ -n "$remove" ]; then rm -rf "$remove"; fi
) &
watcher=$!
wait "$server"; code=$?
kill "$watcher" 2>/dev/null
wait "$watcher"
exit "$code"
`;

/**
 * Starts a server that ends with this process, even when that is killed, and waits until it accepts connections.
 * `removeWhenOrphaned` names a directory that then goes too.
 */
export function launchWatched(launch: Launch, removeWhenOrphaned = ''): Promise<Launched> {
  return launchWith(launch, ({ stdio: [, ...output], ...options }) => {
    const child = spawn(
      '/bin/sh',
      ['-c', WATCHED, 'sh', removeWhenOrphaned, launch.binaries.postgres, ...serverArguments(launch)],
      { ...options, stdio: ['pipe', ...output], detached: true },
    );
    (child.stdin as import('node:net').Socket).unref();
    return child;
  });
}

// -D comes first: isPostgresOn looks for it.
function serverArguments({ data, port, durable }: Launch): string[] {
  return ['-D', data, '-p', String(port), ...serverSettings({ durable })];
}

interface ServerStdio {
  stdio: ['ignore', number, number];
  cwd: string;
  env: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
}

async function launchWith(launch: Launch, start: (stdio: ServerStdio) => ChildProcess): Promise<Launched> {
  const log = openSync(launch.log, 'a', 0o600);
  const logStart = (await stat(launch.log)).size;
  let child: ChildProcess;
  try {
    child = start({
      stdio: ['ignore', log, log],
      cwd: launch.data,
      // Nothing of this process's environment concerns the server, and some of it is secret.
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      ...asAccount(launch.account),
    });
  } finally {
    closeSync(log);
  }
  child.unref();
  let exited = false;
  child.once('exit', () => {
    exited = true;
  });
  let notRun: Error | undefined;
  child.once('error', (error) => {
    exited = true;
    notRun = error;
  });

  const deadline = Date.now() + launch.timeoutSeconds * 1000;
  while (!exited) {
    const postmaster = runningPostmaster(launch.data);
    if (postmaster?.ready) return { outcome: 'ready', pid: postmaster.pid, child };
    if (launch.signal?.aborted || Date.now() > deadline) {
      await endServer(launch.data, postmaster?.pid ?? child.pid, 'SIGQUIT');
      launch.signal?.throwIfAborted();
      return { outcome: 'failed', logLine: await lastLogLine(launch.log, logStart) };
    }
    await sleep(15);
  }
  const logLine = notRun?.message ?? (await lastLogLine(launch.log, logStart));
  if (/could not bind .*Address already in use/.test(logLine)) return { outcome: 'port taken', logLine };
  if (/pre-existing shared memory block/.test(logLine)) return { outcome: 'orphans', logLine };
  return { outcome: 'failed', logLine };
}

async function endServer(data: string, pid: number | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!pid) return;
  signalProcess(pid, signal);
  await gone(data, pid, 5);
}

/** The line of a server log, from `offset` on, that says why the server did not start. */
async function lastLogLine(log: string, offset: number): Promise<string> {
  const file = await open(log, 'r');
  try {
    const { size } = await file.stat();
    const { buffer } = await file.read(Buffer.alloc(Math.min(size - offset, 64 * 1024)), 0, undefined, offset);
    const lines = buffer.toString('utf8').split('\n').filter(Boolean);
    const said = (pattern: RegExp) => lines.findLast((line) => pattern.test(line));
    const line =
      said(/could not bind .*in use/) ?? said(/ (FATAL|PANIC): /) ?? said(/ ERROR: /) ?? lines.at(-1) ?? '';
    return line.replace(/^.*? (?:FATAL|PANIC|ERROR|LOG): +/, '');
  } finally {
    await file.close();
  }
}

/** Asks a server to stop; true when it is gone within the time. */
export async function stopPostmaster(
  data: string,
  pid: number,
  how: 'fast' | 'immediate' | 'kill',
  timeoutSeconds: number,
): Promise<boolean> {
  signalProcess(pid, how === 'fast' ? 'SIGINT' : how === 'immediate' ? 'SIGQUIT' : 'SIGKILL');
  return gone(data, pid, timeoutSeconds);
}

async function gone(data: string, pid: number, timeoutSeconds: number): Promise<boolean> {
  const deadline = Date.now() + timeoutSeconds * 1000;
  while (isPostgresOn(data, pid)) {
    if (Date.now() > deadline) return false;
    await sleep(15);
  }
  return true;
}

/** Waits for the end of a child that `launchWatched` started. */
export async function childEnded(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child.ref(), 'exit');
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return;
    if (errorCode(error) === 'EPERM') {
      throw new CommandError(
        `the server (process ${pid}) belongs to another user`,
        'run this as the user who started it',
        { cause: error },
      );
    }
    throw error;
  }
}

/** Removes a postmaster.pid whose process is gone, or is not ours: Postgres would refuse to start on it. */
export async function clearStalePidFile(data: string): Promise<void> {
  if (!runningPostmaster(data)) await rm(join(data, 'postmaster.pid'), { force: true });
}

/**
 * Ends what a killed server left behind: its children end by themselves as soon as they look up, but a busy query
 * may never. Only Linux says which processes those are.
 */
export async function endOrphans(data: string): Promise<void> {
  if (process.platform !== 'linux' || runningPostmaster(data)) return;
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (pid && worksIn(data, pid)) signalProcess(pid, 'SIGQUIT');
  }
}

function worksIn(data: string, pid: number): boolean {
  try {
    return (
      readlinkSync(`/proc/${pid}/cwd`) === data &&
      readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'postgres'
    );
  } catch {
    return false;
  }
}
