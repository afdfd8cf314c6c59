import type { Command } from 'commander';
import { jobIds, reportChanges } from './jobs.ts';
import { ALLOW_REMOTE, onQueue, type QueueFlags } from './on-queue.ts';

export function addCancel(cli: Command): void {
  cli
    .command('cancel')
    .description('cancel jobs: pending ones at once, running ones as soon as their worker hears of it')
    .argument('<id...>', 'jobs that are pending or run')
    .option(...ALLOW_REMOTE)
    .option('--json', 'print what was done as JSON')
    .action(async (texts: string[], options: QueueFlags) => {
      const ids = jobIds(texts);
      await onQueue(options, 'cancel', async (operations) => {
        reportChanges(ids, await operations.cancel(ids), 'it has ended, or there is none', options);
      });
    });
}
