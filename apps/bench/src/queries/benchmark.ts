import { CommandError, connect, step } from '@mobvibe/cli';
import type { Benchmark, Run } from '../core/benchmark.ts';
import type { Asker } from '../core/common-queries.ts';
import { figureCheck, groupOf, ratioCheck } from '../core/group.ts';
import { type Contender, interleave } from '../core/interleave.ts';
import { ownDatabase } from '../core/own-database.ts';
import type { Check, Group, Result } from '../core/result.ts';
import type { BenchServer } from '../core/server.ts';
import { figuresOf } from '../core/statistics.ts';
import { type Operation, operations, type Prepared, runOnce } from './operations.ts';
import { type Plan, watchPlans } from './plan.ts';
import { prepare } from './prepare.ts';

const SLICE = 20;

const FULL = [100_000, 1_000_000, 10_000_000];
const QUICK = [10_000, 100_000];

export const queries = queriesBenchmark(FULL, QUICK);

/** The queries of the app and of the worker, in databases of several sizes. */
export function queriesBenchmark(full: number[], quick = full): Benchmark {
  return {
    name: 'queries',
    description: 'the common queries under row-level security, as the database grows',
    rounds: { full: 30, quick: 5 },
    run: (run) => measure(run, run.quick ? quick : full),
  };
}

/** A database of one size, with a connection for each purpose. */
interface Sized {
  events: number;
  name: string;
  prepared: Prepared;
  run<Row>(operation: Operation): Promise<{ rows: Row[]; ms: number }>;
  explain(operation: Operation): Promise<Plan>;
}

async function measure(run: Run, sizes: number[]): Promise<Pick<Result, 'rows' | 'groups'>> {
  const { target, admin } = run.server;
  if (!admin) {
    throw new CommandError(
      'this benchmark fills databases of its own, one for each size',
      'run it without DATABASE_URL',
    );
  }
  const closers: (() => Promise<unknown>)[] = [];
  try {
    const sized: Sized[] = [];
    for (const events of sizes) sized.push(await open({ target, admin }, events, closers, run.signal));
    const groups: Group[] = [];
    for (const operation of operations) groups.push(await measureOperation(run, operation, sized));
    return { rows: Object.fromEntries(sized.map(({ events, name }) => [name, events])), groups };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function open(
  server: Required<BenchServer>,
  events: number,
  closers: (() => Promise<unknown>)[],
  signal: AbortSignal,
): Promise<Sized> {
  const database = await ownDatabase(server, new URL(server.target.url).pathname.slice(1));
  closers.push(() => database.drop());
  const prepared = await prepare(database, events, signal);
  const timed = await connect(database.admin);
  closers.push(() => timed.end());
  const watched = await connect(database.admin);
  closers.push(() => watched.end());
  const watch = await watchPlans(watched);
  let turn = 0;
  const next = () => prepared.askers[turn++ % prepared.askers.length] as Asker;
  return {
    events,
    name: `${events.toLocaleString('en')} events`,
    prepared,
    run: (operation) => runOnce(timed, operation, prepared, next()),
    explain: (operation) =>
      watch(async () => {
        await runOnce(watched, operation, prepared, prepared.askers[0] as Asker);
      }),
  };
}

async function measureOperation(run: Run, operation: Operation, sized: Sized[]): Promise<Group> {
  return step(operation.name, async (progress) => {
    for (const size of sized) await assertAnswers(size, operation);
    const contenders = sized.map(
      ({ name, run: runIt }): Contender => ({
        name,
        slice: async () => {
          const samples: number[] = [];
          for (let n = 0; n < SLICE; n++) samples.push((await runIt(operation)).ms);
          return samples;
        },
      }),
    );
    const series = await interleave(contenders, { ...run, progress });
    const [smallest] = series;
    const largest = series.at(-1);
    const checks: Check[] = [];
    if (smallest && operation.isCommon) {
      const { p95 } = figuresOf(smallest, 'low');
      checks.push(figureCheck(`p95 at ${smallest.name}`, p95, 'ms', { atMost: 5 }));
    }
    if (smallest && largest && largest !== smallest) {
      checks.push(ratioCheck(largest, smallest, operation.isCommon && { atMost: 2 }));
    }
    const group = groupOf(operation.name, 'ms', series, checks);
    for (const [index, contender] of group.contenders.entries()) {
      const size = sized[index] as Sized;
      const { buffers, shape } = await size.explain(operation);
      Object.assign(contender, { size: size.events, buffers, plan: shape });
    }
    return group;
  });
}

/** What finds nothing would be the fastest. */
async function assertAnswers(size: Sized, operation: Operation): Promise<void> {
  if (!/^select/i.test(operation.query(size.prepared, size.prepared.askers[0] as Asker).text)) return;
  let found = 0;
  for (let n = 0; n < SLICE; n++) found += (await size.run(operation)).rows.length;
  if (found === 0) throw new Error(`${operation.name} finds nothing among ${size.name}`);
}
