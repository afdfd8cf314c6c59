import { beQuiet, say } from '@mobvibe/cli';
import { loadWorkerConfig, type WorkerSettings, workerTarget } from './config.ts';
import { startGuardian } from './guardian/guardian.ts';
import { createLog } from './log.ts';
import { startWorker, type Worker } from './worker.ts';

/** What `pnpm worker run` takes. */
export interface RunOptions extends WorkerSettings {
  untilIdle?: boolean;
  jobs?: number;
  json?: boolean;
}

/** Runs a worker until it is idle, where that was asked, or until a signal stops it. */
export async function runWorker({ untilIdle = false, jobs, json = false, ...settings }: RunOptions) {
  if (json) beQuiet();
  const config = loadWorkerConfig(settings);
  const target = workerTarget();
  say(`database: ${target.description}`);
  const log = createLog({ level: config.logLevel, ...(json && { terminal: false }) });
  const guardian = await startGuardian();
  // What an agent's run leaves for the time being then goes with this process, even when that is killed.
  process.env.TMPDIR = guardian.directory;
  try {
    const running = await startWorker({ target, config, untilIdle, log, guardian, ...(jobs && { jobs }) });
    stopOnSignal(running, config.graceMs);
    const summary = await running.done;
    if (json) process.stdout.write(`${JSON.stringify({ worker_id: running.id, ...summary })}\n`);
    if (untilIdle && summary.failed + summary.lost > 0) process.exitCode = 1;
  } finally {
    await guardian.close();
  }
}

// As a shell reports a process that the signal ended.
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 };

function stopOnSignal(running: Worker, graceMs: number): void {
  let asked = false;
  const stop = (signal: keyof typeof EXIT_CODES) => {
    // Leases run out by themselves, and the guardian ends what agents started.
    if (asked) process.exit(EXIT_CODES[signal]);
    asked = true;
    const grace = graceMs > 0 ? `running jobs have ${graceMs / 1000} s to end, then` : 'running jobs';
    say(`stopping: ${grace} go back to the queue (a second signal: at once)`);
    // What goes wrong while stopping is reported through `done`.
    running.stop({ graceMs }).catch(() => {});
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
}
