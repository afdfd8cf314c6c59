import { withConnection } from '@mobvibe/cli';
import type { Benchmark, Run } from '../core/benchmark.ts';
import type { Result } from '../core/result.ts';
import { measureCommonQueries } from './common-queries.ts';
import { countRows, empty, fill, people, type Scale } from './fill.ts';
import { measurePointReads } from './point-read.ts';

/** 100,000 events: the numbers of the targets. */
const SCALE: Scale = { users: 1_000, events: 10 };

export const rls = rlsBenchmark(SCALE);

/** What row-level security costs: on the common queries alone, and through the client of app teams. */
export function rlsBenchmark(scale: Scale): Benchmark {
  return {
    name: 'rls',
    description: 'what row-level security costs, in SQL and through the Prisma client',
    rounds: { full: 80, quick: 8 },
    run: (run) => measure(run, scale),
  };
}

async function measure(run: Run, scale: Scale): Promise<Pick<Result, 'rows' | 'groups'>> {
  const { target, admin } = run.server;
  await fill(run.server, scale);
  try {
    const { everybody, rows } = await withConnection(target, async (client) => ({
      everybody: await people(client),
      rows: await countRows(client),
    }));
    const groups = [
      ...(await measureCommonQueries(run, everybody)),
      ...(await measurePointReads(run, everybody)),
    ];
    return { rows, groups };
  } finally {
    // A server of our own goes as a whole.
    if (!admin) await withConnection(target, empty);
  }
}
