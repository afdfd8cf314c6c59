import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sessionMark } from '../sandbox/processes.ts';

/** Cleans up after this process, should it be killed. */
export interface Guardian {
  /** For what is temporary: it goes with this process, however that ends. */
  directory: string;
  /** From now on the session's agent may have processes on this machine. */
  watch(sessionId: string): Promise<void>;
  /** They have ended. */
  unwatch(sessionId: string): Promise<void>;
  close(): Promise<void>;
}

// A shell that reads from a pipe which nobody writes to: the read returns when this process ends, however it ends,
// because the system then closes the other side. It ignores what a terminal or a supervisor sends to all of its
// processes. It costs a megabyte; Node starts only where there is something to clean up.
const WAIT = `
trap '' INT TERM HUP
read -r _
if [ -d "$1" ]; then exec "$2" "$3" "$1"; fi
`;

const CLEAN_UP = fileURLToPath(new URL('./clean-up.mjs', import.meta.url));

/** Starts a process that ends what agents started here, and removes `directory`, when this process is killed. */
export async function startGuardian(): Promise<Guardian> {
  // Short: the path of a socket below it has room for a hundred bytes.
  const directory = await mkdtemp(join(tmpdir(), 'mobvibe-'));
  const child = spawn('/bin/sh', ['-c', WAIT, 'sh', directory, process.execPath, CLEAN_UP], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    // The worker's own variables hold passwords.
    env: { PATH: process.env.PATH },
  });
  // Where there is no shell, or no process to be had, the next to open a sandbox ends what runs in it.
  child.once('error', () => {});
  child.unref();
  (child.stdin as Socket).on('error', () => {});
  (child.stdin as Socket).unref?.();
  // The name says it all: a file is there or not, but its content may be cut off when this process is killed.
  const marker = (sessionId: string) => join(directory, sessionMark(sessionId));
  return {
    directory,
    watch: (sessionId) => writeFile(marker(sessionId), '', { mode: 0o600 }),
    unwatch: (sessionId) => rm(marker(sessionId), { force: true }),
    async close() {
      await rm(directory, { recursive: true, force: true, maxRetries: 3 });
      child.stdin?.destroy();
    },
  };
}
