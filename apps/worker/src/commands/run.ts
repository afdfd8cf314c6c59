import { CommandError } from '@mobvibe/cli';
import type { Command } from 'commander';
import type { RunOptions } from '../run-worker.ts';

export function addRun(cli: Command): void {
  cli
    .command('run')
    .description('work on jobs until SIGINT or SIGTERM: what runs then may end, or goes back to the queue')
    .option('--concurrency <n>', 'jobs at a time (default: 2)')
    .option('--until-idle', 'end when no job is due; exit code 1 when one failed')
    .option('--jobs <n>', 'end after this many jobs', atLeastOne)
    .option('--worker-id <id>', 'must differ for each process (default: random)')
    .option('--lease <seconds>', 'how long a job stays with a worker that no longer answers (default: 30)')
    .option('--poll <seconds>', 'look for jobs at least this often, also when nothing wakes us (default: 5)')
    .option('--timeout <seconds>', 'end a job that runs longer (default: 1800)')
    .option(
      '--grace <seconds>',
      'how long running jobs may go on after a signal, before they are given back (default: 20)',
    )
    .option('--connections <n>', 'to the database, at most (default: concurrency + 2, up to 20)')
    .option('--port <n>', 'serve /healthz, /readyz and /metrics there, say 9464 (default: not at all)')
    .option('--host <address>', 'serve them at this address, say 0.0.0.0 in a container (default: 127.0.0.1)')
    .option('--data <directory>', 'where sandboxes live (default: .local/worker)')
    .option('--model <name>', 'the model that writes the app (default: what the tier says)')
    .option('--max-turns <n>', 'turns of the agent in one job, where the tier allows more')
    .option('--max-budget <usd>', 'what one job may cost, where the tier allows more')
    .option('--log-level <level>', 'on stderr: debug, info, warn, error or silent (default: info)')
    .option('--json', 'log in JSON, and print how many jobs ended how as JSON on stdout')
    .addHelpText(
      'after',
      `
Options that take a value may also come from the environment or .env, but for --worker-id and --jobs:
WORKER_CONCURRENCY for --concurrency, WORKER_MAX_TURNS for --max-turns and so on.`,
    )
    // Loaded where it is needed: the other commands need no agent.
    .action(async (options: RunOptions) => (await import('../run-worker.ts')).runWorker(options));
}

function atLeastOne(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new CommandError(
    `--jobs: ${text} is no whole number above 0`,
    'pnpm worker run --help says what it takes',
    { exitCode: 2 },
  );
}
