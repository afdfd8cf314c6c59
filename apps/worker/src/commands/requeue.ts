import { CommandError, say } from '@mobvibe/cli';
import type { Command } from 'commander';
import { jobIds, reportChanges } from './jobs.ts';
import { ALLOW_REMOTE, onQueue, type QueueFlags } from './on-queue.ts';

interface RequeueOptions extends QueueFlags {
  allFailed?: boolean;
  since?: string;
}

export function addRequeue(cli: Command): void {
  cli
    .command('requeue')
    .description('put failed jobs back into the queue, with new attempts')
    .argument('[id...]', 'jobs that failed')
    .option('--all-failed', 'every job that failed')
    .option('--since <time>', 'with --all-failed: within this time, say 90s, 30m, 12h or 7d')
    .option(...ALLOW_REMOTE)
    .option('--json', 'print what was done as JSON')
    .action(async (texts: string[], options: RequeueOptions) => {
      const given = jobIds(texts);
      const seconds = options.since === undefined ? undefined : secondsOf(options.since);
      if (given.length > 0 === Boolean(options.allFailed) || (seconds && !options.allFailed)) {
        throw new CommandError(
          'either ids or --all-failed says which jobs are meant',
          'pnpm worker requeue --help says what it takes',
          { exitCode: 2 },
        );
      }
      await onQueue(options, 'requeue', async (operations) => {
        const ids = options.allFailed ? await operations.failedJobs(seconds) : given;
        const changed = await operations.requeue(ids);
        reportChanges(ids, changed, 'it did not fail, or its session has ended', options);
        if (ids.length === 0) say('no job failed');
      });
    });
}

const UNITS = { s: 1, m: 60, h: 3_600, d: 86_400 };

function secondsOf(text: string): number {
  const [, amount, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (amount && unit) return Number(amount) * UNITS[unit as keyof typeof UNITS];
  throw new CommandError(`--since: "${text}" is no time`, 'give a number and a unit: 90s, 30m, 12h or 7d', {
    exitCode: 2,
  });
}
