import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Progress } from '../src/progress.ts';
import { layoutOf, runningServer } from '../src/running.ts';
import { removeData, startStack, stopStack } from '../src/stack.ts';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

/** A progress that remembers what a person would have read. */
export function listening(): Progress & { heard: string[] } {
  const heard: string[] = [];
  return {
    heard,
    say: (line) => heard.push(line),
    step: (label, task) => {
      heard.push(label);
      return task({ update: (detail) => heard.push(detail) });
    },
  };
}

/** Directories for servers, cleaned up together with what runs in them. */
export function directories() {
  const made: string[] = [];
  return {
    async make(): Promise<string> {
      const directory = await mkdtemp(join(tmpdir(), 'mobvibe-local-test-'));
      // As `.local` of a checkout is: open to the user that runs the server for root.
      await chmod(directory, 0o755);
      made.push(directory);
      return directory;
    },
    async remove(): Promise<void> {
      for (const directory of made.splice(0)) {
        await stopStack({ directory, progress: listening() });
        await removeData(layoutOf(directory));
        await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a TypeScript file of this package in a process of its own. */
export function script(path: string, ...args: string[]): ChildProcess & { ended: Promise<Ended> } {
  const child = spawn(process.execPath, ['--import', 'tsx', path, ...args], {
    cwd: PACKAGE,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  return Object.assign(child, {
    ended: once(child, 'close').then(([code]) => ({ code, stdout, stderr })),
  });
}

export const local = (...args: string[]) => script('src/cli.ts', ...args);

/** Waits until a condition holds. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  seconds = 15,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(50);
  }
}

/** Every process of this machine. */
export async function processes(): Promise<{ pid: number; parent: number; command: string }[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'pid=,ppid=,command='], {
    maxBuffer: 16 << 20,
  });
  return stdout
    .split('\n')
    .map((line) => /^ *(\d+) +(\d+) (.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, pid, parent, command]) => ({
      pid: Number(pid),
      parent: Number(parent),
      command: command as string,
    }));
}

/** The command lines of all processes that name a path. */
export async function processesOn(path: string): Promise<string[]> {
  const commands = (await processes()).map(({ command }) => command);
  return commands.filter((command) => command.includes(path) && command.includes('postgres'));
}

/** Listens on a port, or on any; undefined when somebody else does already. */
export async function occupy(port = 0): Promise<{ port: number; free(): void } | undefined> {
  const server = createServer();
  const listens = await new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  const address = server.address();
  if (!listens || address === null || typeof address === 'string') return undefined;
  return { port: address.port, free: () => server.close() };
}

export function pidIn(directory: string): number {
  const running = runningServer(layoutOf(directory));
  if (!running) throw new Error(`no server runs in ${directory}`);
  return running.pid;
}

/** Starts the background server of a directory; also returns what a person would have read. */
export async function start(directory: string, port?: number) {
  const progress = listening();
  return { ...(await startStack({ directory, port, progress })), heard: progress.heard };
}

export function stop(directory: string): Promise<boolean> {
  return stopStack({ directory, progress: listening() });
}

/** Runs one statement on a connection of its own. */
export async function query<T = unknown>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
