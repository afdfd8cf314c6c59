import { resolve } from 'node:path';
import { say, step } from '@mobvibe/cli';
import type { Command } from 'commander';
import { alone } from '../archive/alone.ts';
import { findMonth } from '../archive/months.ts';
import { openRegister } from '../archive/register.ts';
import { restoreMonth } from '../archive/restore.ts';
import { openLocation } from '../archive/store.ts';
import { loadArchiveConfig } from '../config.ts';
import { ALLOW_REMOTE, onQueue, printJson, type QueueFlags } from './on-queue.ts';
import { nowAndThen } from './progress.ts';

interface RestoreFlags extends QueueFlags {
  from?: string;
}

export function addRestore(cli: Command): void {
  cli
    .command('restore')
    .description('bring an archived month of events back; it stays until it is archived by name')
    .argument('<month>', 'say 2026-01')
    .option('--from <directory>', 'where the archives are now, if not where they were stored')
    .option(...ALLOW_REMOTE)
    .option('--json', 'print what was done as JSON')
    .action(async (text: string, { from, ...flags }: RestoreFlags) => {
      const { storage } = loadArchiveConfig();
      await onQueue(
        flags,
        'restore',
        async (_, pool) => {
          const register = openRegister(pool);
          const result = await alone(pool, async (signal) => {
            const month = findMonth(await register.months(), text);
            const locate = (location: string) =>
              openLocation(location, { from: from && resolve(from), storage, signal });
            return step(month.partition_name, ({ update }) =>
              restoreMonth(month, { register, locate, signal, onProgress: nowAndThen(update) }),
            );
          });
          if (flags.json) return printJson(result);
          const { partition_name, was_here, restored, left_out } = result;
          const what = was_here ? 'is here already' : `${restored.toLocaleString('en')} events came back`;
          process.stdout.write(`${partition_name}: ${what}\n`);
          if (left_out > 0)
            say(`${left_out.toLocaleString('en')} stay away: their session or job was deleted`);
        },
        2,
      );
    });
}
