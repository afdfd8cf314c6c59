import { CommandError } from '@mobvibe/cli';
import { type Command, Option } from 'commander';
import { ORDERS, type Order, readSlowQueries, type SlowQuery } from '../watch/slow-queries.ts';
import { inWords } from '../watch/units.ts';
import { draw } from './draw.ts';
import { onQueue, printJson, type QueueFlags } from './on-queue.ts';

interface SlowQueriesOptions extends QueueFlags {
  limit: number;
  order: Order;
}

export function addSlowQueries(cli: Command): void {
  cli
    .command('slow-queries')
    .description('which statements of ours take the time of the database')
    .option('--limit <n>', 'how many, at most 100', upTo100, 10)
    .addOption(
      new Option('--order <by>', 'the most time in all, on average, or the most calls')
        .choices(ORDERS)
        .default('total'),
    )
    .option('--json', 'print them as JSON')
    .addHelpText(
      'after',
      `
From pg_stat_statements: statements of mobvibe_app, mobvibe_worker, anon, authenticated and service_role in this
database that read or write rows, since its counters were reset. Values are never shown.`,
    )
    .action(async ({ limit, order, ...flags }: SlowQueriesOptions) => {
      await onQueue(flags, undefined, async (_, pool) => {
        const queries = await readSlowQueries(pool, { limit, order });
        if (flags.json) printJson(queries);
        else process.stdout.write(`${drawQueries(queries)}\n`);
      });
    });
}

function drawQueries(queries: SlowQuery[]): string {
  const ms = (value: number) => (value < 10 ? value.toFixed(2) : String(Math.round(value)));
  return draw(
    ['share', 'calls', 'mean ms', '± ms', 'max ms', 'rows', 'hit', 'read', 'role', 'query'],
    queries.map((query) => [
      ...[inWords(query.share, 'ratio'), query.calls],
      ...[query.mean_ms, query.stddev_ms, query.max_ms].map(ms),
      ...[inWords(Math.round(query.rows_per_call * 10) / 10, 'count'), query.blocks_hit, query.blocks_read],
      ...[query.role, shorten(query.query)],
    ]),
  );
}

const WIDEST = 80;

// Off a terminal lines may be long.
const shorten = (text: string) =>
  process.stdout.isTTY && text.length > WIDEST ? `${text.slice(0, WIDEST - 1)}…` : text;

function upTo100(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 100) return value;
  throw new CommandError(
    `--limit: ${text} is no whole number from 1 to 100`,
    'pnpm worker slow-queries --help says what it takes',
    { exitCode: 2 },
  );
}
