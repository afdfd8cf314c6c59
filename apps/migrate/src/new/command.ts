import { beQuiet, refuseRemote, say, target } from '@mobvibe/cli';
import type { Command } from 'commander';
import { author } from './author.ts';

interface Options {
  dryRun?: true;
  allowRemote?: true;
  json?: true;
}

/** Adds `new` to a program. */
export function addNew(program: Command): void {
  program
    .command('new')
    .description('write the next migration from the changed Prisma schema, and apply it')
    .argument('<name>', 'what it is about, in snake_case: project_tags')
    .option('--dry-run', 'print the SQL, and change nothing')
    .option('--allow-remote', 'work on a database that is not on this machine')
    .option('--json', 'print the name and the SQL as JSON')
    .action(async (name: string, options: Options) => {
      if (options.json) beQuiet();
      const to = target('migration');
      say(`${options.dryRun ? 'Comparing on' : 'Migrating'} ${to.description}`);
      refuseRemote(to, 'migration new', Boolean(options.allowRemote));
      const authored = await author({ name, to, dryRun: Boolean(options.dryRun) });
      if (options.json) return void process.stdout.write(`${JSON.stringify(authored ?? null)}\n`);
      if (!authored) return say('  the schema has not changed since the last migration');
      if (options.dryRun) {
        process.stdout.write(`-- migration.sql\n${authored.migration}\n-- down.sql\n${authored.down}`);
      }
    });
}
