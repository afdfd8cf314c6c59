import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a machine is to be, in MACHINE as JSON. */
export interface MachineOrder {
  /** What it says its host name is. */
  name: string;
  /** The database as workers log in. */
  url: string;
  /** Where its sandboxes lie. */
  data: string;
}

export interface Machine {
  name: string;
  data: string;
  stop(): Promise<void>;
}

/** Advisory lock that jobs with the prompt `wait` must pass. */
export const GATE = 4711;

const MAIN = fileURLToPath(new URL('machine.ts', import.meta.url));

/**
 * Starts a worker with home, temporary files and data of its own.
 * @param data another machine's, where the two share a disk
 */
export async function startMachine(
  directory: string,
  name: string,
  url: string,
  data = join(directory, name, 'data'),
): Promise<Machine> {
  const [home, temporary] = [join(directory, name, 'home'), join(directory, name, 'tmp')];
  for (const path of [home, temporary, data]) await mkdir(path, { recursive: true });
  const order: MachineOrder = { name, url, data };
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, MACHINE: JSON.stringify(order), HOME: home, TMPDIR: temporary },
  });
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-2_000);
  });
  const failed = once(child, 'exit').then(() => {
    throw new Error(`${name} did not start: ${said}`);
  });
  await Promise.race([once(child, 'message'), failed]);
  failed.catch(() => {});
  return { name, data, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}
