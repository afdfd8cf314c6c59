import type { Command } from 'commander';
import { openRegister } from '../archive/register.ts';
import { draw } from './draw.ts';
import { onQueue, printJson, type QueueFlags } from './on-queue.ts';

export function addArchives(cli: Command): void {
  cli
    .command('archives')
    .description('the months of events and of sessions: which are here, which are archived, and where')
    .option('--json', 'print them as JSON')
    .action(async (flags: QueueFlags) => {
      await onQueue(flags, undefined, async (_, pool) => {
        const months = await openRegister(pool).months();
        if (flags.json) return printJson(months);
        const rows = months.map((month) => [
          ...[month.kind, month.name, month.state, month.rows.toLocaleString('en')],
          ...[`${(month.size_bytes / 1_000_000).toFixed(1)} MB`, month.location ?? '–'],
        ]);
        process.stdout.write(`${draw(['kind', 'month', 'state', 'rows', 'size', 'archive'], rows)}\n`);
      });
    });
}
