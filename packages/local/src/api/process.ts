import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CommandError } from '@mobvibe/cli';
import { bareEnvironment } from '../account.ts';
import { childEnded } from '../postmaster.ts';
import { API_MAIN, isApiOf, type Layout, type RunningApi, runningApi } from '../running.ts';

const START_SECONDS = 60;
const STOP_SECONDS = 10;
const POLL_MILLISECONDS = 15;
const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Starts the API as a process that outlives this one, and waits until it answers.
 * @throws CommandError with what the process itself said.
 */
export async function launchApi(
  layout: Layout,
  { port, databasePort, signal }: { port: number; databasePort: number; signal?: AbortSignal | undefined },
): Promise<RunningApi> {
  const log = openSync(layout.apiLog, 'a', 0o600);
  const { size: logStart } = await stat(layout.apiLog);
  await rm(layout.api, { force: true });
  const child = spawn(
    process.execPath,
    [
      ...['--import', import.meta.resolve('tsx')],
      // --directory comes first: isApiOf looks for it.
      ...[API_MAIN, '--directory', layout.directory],
      ...['--port', String(port), '--database', String(databasePort)],
    ],
    {
      cwd: PACKAGE,
      env: { ...bareEnvironment(), NODE_ENV: process.env.NODE_ENV, TMPDIR: process.env.TMPDIR },
      // A session of its own, so that Ctrl-C does not reach it.
      detached: true,
      stdio: ['ignore', log, log],
    },
  );
  closeSync(log);
  child.unref();
  const deadline = Date.now() + START_SECONDS * 1000;
  while (child.exitCode === null && child.signalCode === null) {
    const running = runningApi(layout);
    if (running?.pid === child.pid) return running as RunningApi;
    if (signal?.aborted || Date.now() > deadline) {
      await abandon(child);
      signal?.throwIfAborted();
      throw failed(`not ready after ${START_SECONDS} s`, layout);
    }
    await sleep(POLL_MILLISECONDS);
  }
  throw await reasonInLog(layout, logStart);
}

async function abandon(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await childEnded(child);
}

// The process ends with the two lines of every command.
async function reasonInLog(layout: Layout, offset: number): Promise<CommandError> {
  const said = (await readFile(layout.apiLog)).subarray(offset).toString('utf8');
  const line = (label: string) => new RegExp(`^${label}: (.*)$`, 'm').exec(said)?.[1];
  const [problem, fix] = [line('error'), line('fix')];
  return problem && fix ? new CommandError(problem, fix) : failed('it ended without a word', layout);
}

function failed(reason: string, { apiLog }: Layout): CommandError {
  return new CommandError(
    `the API did not start: ${reason}`,
    `read ${apiLog}, or do without the API: pnpm local start --no-api`,
  );
}

/** Ends the API of a directory; false when none runs. */
export async function stopApi(layout: Layout): Promise<boolean> {
  const running = runningApi(layout);
  if (!running) return false;
  process.kill(running.pid, 'SIGTERM');
  const deadline = Date.now() + STOP_SECONDS * 1000;
  for (let killed = false; isApiOf(layout.directory, running.pid); ) {
    if (!killed && Date.now() > deadline) {
      process.kill(running.pid, 'SIGKILL');
      killed = true;
    }
    await sleep(POLL_MILLISECONDS);
  }
  await rm(layout.api, { force: true });
  return true;
}
