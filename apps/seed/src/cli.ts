import { beQuiet, program, refuseRemote, runCommand, say, step, target, withConnection } from '@mobvibe/cli';
import { createServiceClient } from '@mobvibe/db';
import { type CleanSummary, clean, SEED_PASSWORD, type SeedSummary, seed } from './index.ts';
import { DEFAULTS, dataSetOf } from './options.ts';
import { scales } from './scales/index.ts';
import { count, printTable } from './table.ts';

interface Flags {
  scale: string;
  seed: string;
  now: string;
  clean?: true;
  dryRun?: true;
  allowRemote?: true;
  json?: true;
}

const scaleHelp = Object.entries(scales).map(([name, { description }]) => `${name} (${description})`);

const cli = program(
  'seed',
  'Fills the database with sample data: the same rows for the same options, everywhere.',
)
  .option('--scale <name>', `how much: ${scaleHelp.join(', ')}`, DEFAULTS.scale)
  .option('--seed <number>', 'which data set; several can stand side by side', String(DEFAULTS.seed))
  .option('--now <time>', 'the moment that the data set takes for the present', DEFAULTS.now)
  .option('--clean', 'remove the data set: its users with everything they own, and nothing else')
  .option('--dry-run', 'say what would be done, and do nothing')
  .option('--allow-remote', 'touch a database that is not on this machine')
  .option('--json', 'print the summary as JSON')
  .action(async (flags: Flags) => {
    if (flags.json) beQuiet();
    const dryRun = Boolean(flags.dryRun);
    const { scale, seed: number, now, name } = dataSetOf(flags);
    const options = { scale, seed: number, now, dryRun };

    const to = target('runtime');
    say(`${flags.clean ? 'removing' : 'seeding'} ${name} ${dryRun ? '(dry run) ' : ''}on ${to.description}`);
    if (!dryRun)
      refuseRemote(to, flags.clean ? 'removing sample data' : 'seeding', Boolean(flags.allowRemote));
    // Says what is wrong with the URL; Prisma would only say that something is.
    await withConnection(to, async () => {});

    const client = createServiceClient({ url: to.url, poolSize: 1 });
    try {
      if (flags.clean) {
        const summary = await step(name, () => clean(client, options));
        if (flags.json) printJson(summary);
        else describeClean(summary);
      } else {
        const summary = await step(name, () => seed(client, options));
        if (flags.json) printJson(summary);
        else describeSeed(summary);
      }
    } finally {
      await client.$disconnect();
    }
  });

function describeSeed({ tables, added, hash, users, dryRun }: SeedSummary): void {
  const lacking = tables.reduce((total, { rows, present }) => total + rows - present, 0);
  printTable(
    ['table', 'rows', 'present', 'added'],
    tables.map(({ table, rows, present, added: inserted }) => [table, rows, present, inserted]),
  );
  if (dryRun) say(`would add ${count(lacking, 'row')}`);
  else say(added > 0 ? `${count(added, 'row')} added` : 'every row was there already; nothing was written');
  say(`content ${hash}`);
  const emails = users.flatMap(({ email }) => email ?? []);
  if (!dryRun) say(`sign in as ${emails.slice(0, 4).join(', ')}, … with the password ${SEED_PASSWORD}`);
}

function describeClean({ tables, removed, dryRun }: CleanSummary): void {
  printTable(
    ['table', dryRun ? 'would remove' : 'removed'],
    tables.map((row) => [row.table, row.removed]),
  );
  if (removed === 0) say('nothing of it was there');
}

function printJson(summary: object): void {
  process.stdout.write(`${JSON.stringify(summary)}\n`);
}

await runCommand(cli);
