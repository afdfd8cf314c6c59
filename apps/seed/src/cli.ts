import { beQuiet, CommandError, program, refuseRemote, runCommand, say, step, target } from '@mobvibe/cli';
import { cleanByCopy, type RunOptions, seedByCopy } from './by-copy.ts';
import { DEFAULTS, dataSetOf, type SeedOptions } from './options.ts';
import { SEED_PASSWORD } from './password.ts';
import { progressOn } from './progress.ts';
import { scales } from './scales/index.ts';
import type { CleanSummary, SeedSummary } from './summary.ts';
import { count, printTable } from './table.ts';

interface Flags {
  scale?: string;
  users?: string;
  sessions?: string;
  events?: string;
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
  .option(
    '--scale <name>',
    `how much: ${scaleHelp.join('; ')} (default: ${DEFAULTS.scale}, or mvp with a size)`,
  )
  .option('--users <n>', 'another size of mvp or growth; what is left out of the three keeps its proportion')
  .option('--sessions <n>', 'likewise')
  .option('--events <n>', 'likewise')
  .option('--seed <number>', 'which data set; several can stand side by side', String(DEFAULTS.seed))
  .option('--now <time>', 'the moment that the data set takes for the present', DEFAULTS.now)
  .option('--clean', 'remove the data set: its users with everything they own, and nothing else')
  .option('--dry-run', 'say what would be done, and do nothing')
  .option('--allow-remote', 'touch a database that is not on this machine')
  .option('--json', 'print the summary as JSON')
  .action(async ({ clean: isClean, dryRun, allowRemote, json, ...flags }: Flags) => {
    if (json) beQuiet();
    const { scale, seed: number, now, name, bulk } = dataSetOf(flags);
    const dataSet = { scale, seed: number, now, ...bulk?.size };
    const to = target('runtime');
    say(`${isClean ? 'removing' : 'seeding'} ${name} ${dryRun ? '(dry run) ' : ''}on ${to.description}`);
    if (!dryRun) refuseRemote(to, isClean ? 'removing sample data' : 'seeding', Boolean(allowRemote));

    const work = async (signal?: AbortSignal) => {
      const run = <Summary>(task: (url: string, options: SeedOptions & RunOptions) => Promise<Summary>) =>
        step(name, (shown) =>
          task(to.url, { ...dataSet, dryRun: Boolean(dryRun), signal, onProgress: progressOn(shown) }),
        );
      if (isClean) {
        const summary = await run(cleanByCopy);
        if (json) printJson(summary);
        else describeClean(summary);
      } else {
        const summary = await run(seedByCopy);
        if (json) printJson(summary);
        else describeSeed(summary);
      }
    };
    // One transaction ends with the process, and nothing of it is left.
    await (bulk ? withInterrupt(work) : work());
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
  const peakMemoryMiB = Math.ceil(process.resourceUsage().maxRSS / 1024);
  process.stdout.write(`${JSON.stringify({ ...summary, peakMemoryMiB })}\n`);
}

/** Runs `task`; Ctrl-C aborts it, and is what is reported then, whatever broke because of it. */
async function withInterrupt(task: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => {
    // Asked twice, it does not wait; the transaction ends with the connection.
    if (interrupted.signal.aborted) process.exit(130);
    const exitCode = signal === 'SIGINT' ? 130 : 143;
    interrupted.abort(
      new CommandError('interrupted', 'the same command again goes on where this one stopped', { exitCode }),
    );
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    await task(interrupted.signal);
  } catch (error) {
    interrupted.signal.throwIfAborted();
    throw error;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

await runCommand(cli);
