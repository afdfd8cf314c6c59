#!/usr/bin/env node
import { beQuiet, CommandError, program, runCommand, say } from '@mobvibe/cli';
import { Option } from 'commander';
import { loadWorkerConfig, type WorkerSettings, workerTarget } from './config.ts';
import { createLog } from './log.ts';
import { startWorker, type Worker } from './worker.ts';

interface RunOptions extends WorkerSettings {
  untilIdle?: boolean;
  jobs?: number;
  json?: boolean;
  logLevel: string;
}

const worker = program('worker', 'Claims coding jobs, runs the agent on them, streams its events');

worker
  .command('run')
  .description('work on jobs until SIGINT or SIGTERM: what runs then is given back to the queue')
  .option('--concurrency <n>', 'jobs at a time (default: 2)')
  .option('--until-idle', 'end when no job is due; exit code 1 when one failed')
  .option('--jobs <n>', 'end after this many jobs', atLeastOne)
  .option('--worker-id <id>', 'must differ for each process (default: random)')
  .option('--lease <seconds>', 'how long a job stays with a worker that no longer answers (default: 30)')
  .option('--poll <seconds>', 'look for jobs at least this often, also when nothing wakes us (default: 5)')
  .option('--timeout <seconds>', 'end a job that runs longer (default: 1800)')
  .option('--data <directory>', 'where sandboxes live (default: .local/worker)')
  .option('--model <name>', 'the model that writes the app')
  .option('--max-turns <n>', 'turns of the agent in one job (default: 100)')
  .option('--max-budget <usd>', 'what one job may cost (default: 5)')
  .addOption(
    new Option('--log-level <level>', 'on stderr')
      .choices(['debug', 'info', 'warn', 'error', 'silent'])
      .default('info'),
  )
  .option('--json', 'log in JSON, and print how many jobs ended how as JSON on stdout')
  .action(async ({ untilIdle = false, jobs, json = false, logLevel, ...settings }: RunOptions) => {
    if (json) beQuiet();
    const config = loadWorkerConfig(settings);
    const target = workerTarget();
    say(`database: ${target.description}`);
    const log = createLog({ level: logLevel, ...(json && { terminal: false }) });
    const running = await startWorker({ target, config, untilIdle, log, ...(jobs && { jobs }) });
    stopOnSignal(running);
    const summary = await running.done;
    if (json) process.stdout.write(`${JSON.stringify({ worker_id: running.id, ...summary })}\n`);
    if (untilIdle && summary.failed + summary.lost > 0) process.exitCode = 1;
  });

function atLeastOne(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new CommandError(
    `--jobs: ${text} is no whole number above 0`,
    'pnpm worker run --help says what it takes',
    {
      exitCode: 2,
    },
  );
}

function stopOnSignal(running: Worker): void {
  let asked = false;
  const stop = () => {
    if (asked) process.exit(130);
    asked = true;
    say('stopping: running jobs go back to the queue (again: at once)');
    // What goes wrong while stopping is reported through `done`.
    running.stop().catch(() => {});
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
}

await runCommand(worker, process.argv.length > 2 ? process.argv : [...process.argv, '--help']);
