import type { Command } from 'commander';
import { loadWorkerConfig, type WorkerSettings, workerTarget } from '../config.ts';
import { createLog } from '../log.ts';
import { createMaintenanceTasks, maintain } from '../maintenance.ts';
import { openSandboxes } from '../sandbox/open.ts';
import { ALLOW_REMOTE, onQueue, printJson, type QueueFlags } from './on-queue.ts';

const LABELS = {
  jobs_reaped: 'jobs taken back from workers that no longer answer',
  sessions_expired: 'sessions ended whose time was up',
  partitions_made: 'partitions made for events to come, or that had none',
  sandboxes_ended: 'sandboxes ended whose session is over',
};

export function addMaintain(cli: Command): void {
  cli
    .command('maintain')
    .description('one round of what every worker also does; safe anywhere, any number of times')
    .option('--data <directory>', 'where sandboxes of this machine live (default: .local/worker)')
    .option(...ALLOW_REMOTE)
    .option('--json', 'print what was done as JSON')
    .addHelpText('after', '\nNothing is archived here: that is pnpm worker archive.')
    .action(async ({ data, ...flags }: QueueFlags & Pick<WorkerSettings, 'data'>) => {
      await onQueue(flags, 'maintain', async (operations, pool) => {
        const databaseUrl = workerTarget().url;
        const sandboxes = await openSandboxes(loadWorkerConfig({ data }), databaseUrl);
        const log = createLog({ level: 'warn' });
        const done = await maintain(
          createMaintenanceTasks({ operations, pool, sandboxes, databaseUrl, log }),
        );
        if (flags.json) return printJson(done);
        for (const [name, label] of Object.entries(LABELS)) {
          process.stdout.write(`${done[name as keyof typeof done]} ${label}\n`);
        }
      });
    });
}
