import type { DataSet } from '../../options.ts';
import { bulkOf } from '../../scales/bulk/bulk.ts';
import type { TableCount } from '../../summary.ts';
import type { SeededUser } from '../../users-of.ts';
import { chunksOf } from './chunks.ts';
import { inLanes } from './lanes.ts';
import { load } from './load.ts';
import { makePartitions } from './partitions.ts';
import { tablesOf } from './platform.ts';
import { countsOf } from './tables.ts';

/** How far it has come. */
export interface Progress {
  /** Of `total`, written, found or removed. */
  done: number;
  total: number;
  of: 'events' | 'users';
}

export interface BulkOptions {
  dryRun: boolean;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Makes the database hold every row of a data set of any size, a chunk of users at a time: interrupted or killed, it
 * leaves whole chunks, and the next run goes on from there.
 */
export async function writeBulk(
  url: string,
  dataSet: DataSet,
  { dryRun, signal, onProgress }: BulkOptions,
): Promise<{ tables: TableCount[]; users: SeededUser[]; hash: string }> {
  const tables = await tablesOf(url);
  if (!dryRun) await makePartitions(url, dataSet);
  const counted = { rows: countsOf(() => 0), present: countsOf(() => 0), added: countsOf(() => 0) };
  const total = bulkOf(dataSet).size.events;
  const { chunks, users, hash } = chunksOf(dataSet);
  await inLanes(
    url,
    chunks,
    async (client, chunk) => {
      const { present, added } = await load(client, tables, dataSet, chunk, { dryRun });
      for (const { rows } of tables) {
        counted.rows[rows] += chunk.text[rows].rows;
        counted.present[rows] += present[rows];
        counted.added[rows] += added[rows];
      }
      onProgress?.({ done: counted.rows.events, total, of: 'events' });
    },
    signal,
  );
  return {
    tables: tables.map(({ name, rows }) => ({
      table: name,
      rows: counted.rows[rows],
      present: counted.present[rows],
      added: counted.added[rows],
    })),
    users,
    hash: hash(),
  };
}
