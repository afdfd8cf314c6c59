import { resolve } from 'node:path';
import { say, step } from '@mobvibe/cli';
import type { Command } from 'commander';
import { alone } from '../archive/alone.ts';
import { monthsToRestore } from '../archive/months.ts';
import { nounOf, openRegister } from '../archive/register.ts';
import { type Restored, restoreMonth } from '../archive/restore.ts';
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
    .description(
      'bring an archived month back, its sessions, then its events; it stays until it is archived by name',
    )
    .argument('<month>', 'say 2026-01, or coding_sessions_2026_01 for its sessions alone')
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
          const done = await alone(pool, async (signal) => {
            const locate = (location: string) =>
              openLocation(location, { from: from && resolve(from), storage, signal });
            const restored: Restored[] = [];
            for (const month of monthsToRestore(await register.months(), text)) {
              const result = await step(month.name, ({ update }) =>
                restoreMonth(month, { register, locate, signal, onProgress: nowAndThen(update) }),
              );
              restored.push(result);
            }
            return restored;
          });
          if (flags.json) return printJson({ restored: done });
          for (const month of done) {
            const came = `${month.restored.toLocaleString('en')} ${nounOf(month)} came back`;
            process.stdout.write(`${month.name}: ${month.was_here ? 'is here already' : came}\n`);
            if (month.left_out > 0)
              say(`${month.left_out.toLocaleString('en')} stay away: what they belong to was deleted`);
          }
        },
        2,
      );
    });
}
