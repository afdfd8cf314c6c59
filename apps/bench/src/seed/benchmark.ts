import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { repositoryRoot, step, withConnection } from '@mobvibe/cli';
import { clean, type SeedOptions, seed } from '@mobvibe/seed';
import { execa } from 'execa';
import type { Benchmark, Run } from '../core/benchmark.ts';
import { figureCheck, groupOf, ratioCheck } from '../core/group.ts';
import { type Contender, interleave } from '../core/interleave.ts';
import type { Result } from '../core/result.ts';
import { figuresOf } from '../core/statistics.ts';
import { bareCopy } from './bare-copy.ts';

// None that somebody would have seeded for another purpose: it is removed at the end.
const OWN = { seed: 970_131 };

export const seeding = seedBenchmark({ scale: 'mvp' });

/** What it takes to fill a database with sample data, every rule in force, against COPY of the same rows. */
export function seedBenchmark(options: SeedOptions): Benchmark {
  return {
    name: 'seed',
    description: 'sample data with every rule in force, against a bare COPY of the same rows',
    rounds: { full: 7, quick: 2 },
    run: (run) => measure(run, { ...options, ...OWN }),
  };
}

async function measure(run: Run, options: SeedOptions): Promise<Pick<Result, 'rows' | 'groups'>> {
  const { target, admin } = run.server;
  const ci = { scale: 'ci', ...OWN } as const;
  const copy = await step('the same rows, rendered', () => bareCopy(admin ?? target, options));
  try {
    const { rows } = copy;
    const contenders = [
      byCommand('pnpm seed', run, options),
      {
        name: 'seed() in this process',
        slice: () => timedThenUndone(run, options, async () => complete(await seed(target, options), rows)),
      },
      { name: 'bare COPY, the same indexes', slice: () => copy.slice('indexed') },
      { name: 'bare COPY, no index', slice: () => copy.slice('plain') },
    ] as const;
    const [command, library, indexed, plain] = await step('mvp', (progress) =>
      interleave(contenders, { ...run, progress }),
    );
    const [small] = await step('ci', (progress) =>
      interleave([byCommand('pnpm seed --scale ci', run, ci)], { ...run, progress }),
    );
    return {
      rows,
      groups: [
        groupOf(
          `${rows.users} users, ${rows.coding_sessions} sessions, ${rows.session_events} events`,
          'ms',
          [command, library, indexed, plain],
          [
            ratioCheck(command, indexed, { atMost: 2 }),
            ratioCheck(command, plain),
            figureCheck('the command', figuresOf(command, 'low').p50, 'ms', { atMost: 5_000 }),
          ],
        ),
        groupOf(
          'a handful of everything',
          'ms',
          [small],
          [figureCheck('the command', figuresOf(small, 'low').p50, 'ms', { atMost: 1_000 })],
        ),
      ],
    };
  } finally {
    await copy.drop();
    // A server of our own goes as a whole.
    if (!admin) for (const one of [options, ci]) await clean(target, one);
  }
}

/** Node, loading and the connection included; what pnpm does before it starts, left out. */
function byCommand(name: string, run: Run, options: SeedOptions): Contender {
  const script = fileURLToPath(new URL('./cli.ts', import.meta.resolve('@mobvibe/seed')));
  const flags = Object.entries(options).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  return {
    name,
    slice: () =>
      timedThenUndone(run, options, async () => {
        const { stdout } = await execa(
          process.execPath,
          [
            '--max-semi-space-size=4',
            join(repositoryRoot, 'tools/run.mjs'),
            script,
            ...flags,
            '--json',
            '--allow-remote',
          ],
          { env: { DATABASE_URL: run.server.target.url }, cancelSignal: run.signal },
        );
        complete(JSON.parse(stdout));
      }),
  };
}

/** Whoever writes less would be the fastest. */
function complete(
  { tables }: { tables: { table: string; rows: number; added: number }[] },
  rows?: Record<string, number>,
): void {
  for (const { table, rows: planned, added } of tables) {
    if (added !== planned || (rows && rows[table.split('.')[1] ?? ''] !== planned))
      throw new Error(`${added} of ${planned} rows were added to ${table}`);
  }
}

async function timedThenUndone(
  { server: { target, admin } }: Run,
  options: SeedOptions,
  task: () => Promise<void>,
): Promise<number[]> {
  const started = performance.now();
  await task();
  const took = performance.now() - started;
  await clean(target, options);
  // The next one finds the tables as this one did.
  if (admin)
    await withConnection({ ...target, url: databaseOf(target.url, admin.url) }, (client) =>
      client.query('vacuum'),
    );
  return [took];
}

/** The superuser's login, on the database of the other URL. */
const databaseOf = (url: string, login: string): string =>
  Object.assign(new URL(login), { pathname: new URL(url).pathname }).href;
