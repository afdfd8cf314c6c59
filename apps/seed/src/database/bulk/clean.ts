import { describe, withConnection } from '@mobvibe/cli';
import type pg from 'pg';
import type { DataSet } from '../../options.ts';
import { userIdOf } from '../../rows-of.ts';
import { scaleOf } from '../../scales/scale-of.ts';
import type { RemovedCount } from '../../summary.ts';
import { workerId } from '../../workers.ts';
import { inLanes } from './lanes.ts';
import { tablesOf } from './platform.ts';
import { type BulkTable, countsOf } from './tables.ts';
import type { BulkOptions } from './write.ts';

const USERS = 50;

/**
 * Removes the users of a data set with everything they own, those rows included that they have made since, some
 * users at a time, and then the data set's workers. Nothing else is touched; interrupted, the rest is still whole.
 */
export async function removeBulk(
  url: string,
  dataSet: DataSet,
  { dryRun, signal, onProgress }: BulkOptions,
): Promise<RemovedCount[]> {
  const verb = dryRun ? 'select from' : 'delete from';
  const tables = await withConnection(describe(url), async (client) => {
    const there = await tablesOf(client);
    if (!dryRun) await analyze(client, there);
    return there;
  });
  const removed = countsOf(() => 0);
  const scale = await scaleOf(dataSet);
  const ids = scale.keys(dataSet).map((key) => userIdOf(dataSet, key));
  let users = 0;
  await inLanes(
    url,
    slices(ids, USERS),
    async (client, slice) => {
      // No statistics know of rows that came just now.
      await client.query("select set_config('enable_seqscan', 'off', true)");
      // Children first: deleting a parent then finds nothing that it would take along, row by row.
      for (const { name, rows, ofUsers } of tables.toReversed()) {
        if (!ofUsers) continue;
        const { rowCount } = await client.query(`${verb} ${name} where ${ofUsers}`, [slice]);
        removed[rows] += rowCount ?? 0;
      }
      users += slice.length;
      onProgress?.({ done: users, total: ids.length, of: 'users' });
    },
    signal,
  );
  const workers = Object.keys(scale.workers(dataSet)).map((key) => workerId(dataSet, key));
  await withConnection(describe(url), async (client) => {
    const { rowCount } = await client.query(`${verb} private.workers where id = any ($1)`, [workers]);
    removed.workers = rowCount ?? 0;
  });
  return tables.map(({ name, rows }) => ({ table: name, removed: removed[rows] }));
}

/**
 * Without statistics of what was filled just now, or with those of what was empty before, the foreign keys of a session
 * read an index of the events from end to end.
 */
async function analyze(client: pg.ClientBase, tables: BulkTable[]): Promise<void> {
  // Those of the platform are not ours to analyze.
  const own = tables.filter(({ name }) => !name.startsWith('auth.'));
  await client.query(`analyze ${own.map(({ name }) => name).join(', ')}`);
}

async function* slices<T>(list: T[], size: number): AsyncGenerator<T[], void> {
  for (let from = 0; from < list.length; from += size) yield list.slice(from, from + size);
}
