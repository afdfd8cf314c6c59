import { refuseRemote, say, step, target, withConnection } from '@mobvibe/cli';
import { migrationsDirectory } from '@mobvibe/db/migrations';
import type { Command } from 'commander';
import { rollback } from './rollback.ts';

/** Adds `rollback` to a program. */
export function addRollback(program: Command): void {
  program
    .command('rollback')
    .description('take migrations back, newest first, by their down.sql, SQL layer included')
    .requiredOption(
      '--to <migration>',
      'the last migration to keep (003, or a full name); 000 takes all back',
    )
    .option('--force', 'go on although data would be lost')
    .option('--dry-run', 'say what would go, and change nothing')
    .option('--allow-remote', 'work on a database that is not on this machine')
    .option('--json', 'print the result as JSON')
    .action(async (options: { to: string; force?: true; dryRun?: true; allowRemote?: true; json?: true }) => {
      const to = target('migration');
      refuseRemote(to, 'rollback', Boolean(options.allowRemote) || Boolean(options.dryRun));
      const result = await step(`roll back ${to.description} to ${options.to}`, (progress) =>
        withConnection(to, (client) =>
          rollback(client, {
            to: options.to,
            directory: migrationsDirectory,
            force: Boolean(options.force),
            dryRun: Boolean(options.dryRun),
            onWait: (seconds) =>
              progress.update(`another change is running; waiting up to ${seconds} s for it`),
          }),
        ),
      );
      if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
      const would = options.dryRun ? 'would be ' : '';
      if (result.rolledBack.length === 0) return say('  nothing to roll back');
      for (const name of result.rolledBack) say(`  ${name} ${would}taken back`);
      for (const item of result.lost) say(`  ${would}lost: ${item}`);
    });
}
