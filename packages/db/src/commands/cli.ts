import { beQuiet, program, runCommand, say, target } from '@mobvibe/cli';
import { deploy } from './deploy.ts';

const cli = program('migrate', 'Applies the numbered migrations to a database');

cli
  .command('deploy')
  .description('applies what is missing: DIRECT_URL, else DATABASE_URL, else the local stack')
  .option('--wait <seconds>', "how long to wait for somebody else's migration", Number, 60)
  .option('--json', 'prints what was applied as JSON')
  .action(async ({ wait, json }: { wait: number; json?: true }) => {
    if (json) beQuiet();
    const to = target('migration');
    say(`Migrating ${to.description}`);
    const result = await deploy(to, { wait });
    if (json) process.stdout.write(`${JSON.stringify({ database: to.description, ...result })}\n`);
  });

await runCommand(cli);
