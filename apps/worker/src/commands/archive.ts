import { say, step } from '@mobvibe/cli';
import type { Command } from 'commander';
import { alone } from '../archive/alone.ts';
import { type Archived, archiveMonth } from '../archive/archive.ts';
import { monthsToArchive } from '../archive/months.ts';
import { type Month, nounOf, openRegister } from '../archive/register.ts';
import { openLocation, openStore } from '../archive/store.ts';
import { type ArchiveSettings, loadArchiveConfig } from '../config.ts';
import { ALLOW_REMOTE, onQueue, printJson, type QueueFlags } from './on-queue.ts';
import { nowAndThen } from './progress.ts';

interface ArchiveFlags extends QueueFlags, ArchiveSettings {
  dryRun?: boolean;
}

export function addArchive(cli: Command): void {
  cli
    .command('archive')
    .description(
      'store old months of events, then of ended sessions, outside the database, read them back, then drop them here',
    )
    .argument('[month...]', 'say 2026-01 (default: every month older than --keep, but for restored ones)')
    .option(
      '--keep <months>',
      'whole months that stay, besides the current one; of sessions one more (default: 12)',
    )
    .option('--to <directory>', 'where to (default: the bucket event-archives of Storage)')
    .option('--dry-run', 'only say which months these are')
    .option(...ALLOW_REMOTE)
    .option('--json', 'print what was done as JSON')
    .addHelpText(
      'after',
      `
--keep and --to may also come from the environment or .env, as WORKER_ARCHIVE_KEEP and WORKER_ARCHIVE_TO. Nothing is
archived but by this command. Of a session its jobs and their attempts go, once it is over and its events have gone; what
is not so far stays. Killed anywhere and run again it goes on; pnpm worker restore brings a month back.`,
    )
    .action(async (texts: string[], { keep, to, dryRun, ...flags }: ArchiveFlags) => {
      const config = loadArchiveConfig({ keep, to });
      await onQueue(
        flags,
        dryRun ? undefined : 'archive',
        async (_, pool) => {
          const register = openRegister(pool);
          if (dryRun) {
            return report(
              'would_archive',
              monthsToArchive(await register.months(), texts, config.keep),
              flags,
            );
          }
          const done = await alone(pool, async (signal) => {
            const store = openStore(config, signal);
            const locate = (location: string) => openLocation(location, { storage: config.storage, signal });
            const archived: Archived[] = [];
            // Looked up under the lock: whoever held it before may have archived some.
            for (const month of monthsToArchive(await register.months(), texts, config.keep)) {
              await step(month.name, async ({ update }) => {
                const onProgress = nowAndThen(update);
                const result = await archiveMonth(month, { register, store, locate, signal, onProgress });
                archived.push(result);
                return `${result.contents.row_count.toLocaleString('en')} ${nounOf(month)} in ${result.location}`;
              });
            }
            return archived;
          });
          const months = done.map(({ contents, ...month }) => {
            return { ...month, rows: contents.row_count, size_bytes: contents.size_bytes };
          });
          report('archived', months, flags);
        },
        2,
      );
    });
}

function report(
  what: 'archived' | 'would_archive',
  months: Pick<Month, 'kind' | 'name' | 'location' | 'rows' | 'size_bytes'>[],
  { json }: QueueFlags,
): void {
  if (json) {
    printJson({
      [what]: months.map(({ kind, name, location, rows, size_bytes }) => {
        return { kind, name, location, rows, size_bytes };
      }),
    });
    return;
  }
  for (const month of months) {
    const about = what === 'would_archive' ? 'about ' : '';
    const size = `${(month.size_bytes / 1_000_000).toFixed(1)} MB`;
    process.stdout.write(
      `${month.name}: ${about}${month.rows.toLocaleString('en')} ${nounOf(month)}, ${size}\n`,
    );
  }
  if (months.length === 0) say('no month is to be archived');
}
