import { describe, withConnection } from '@mobvibe/cli';
import type { DataSet } from '../../options.ts';
import { bulkOf } from '../../scales/bulk/bulk.ts';
import type { SeedSummary, TableCount } from '../../summary.ts';
import { type Chunk, chunkOf, chunksOf } from './chunks.ts';
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

type Written = Pick<SeedSummary, 'tables' | 'users' | 'hash'>;

/**
 * Makes the database hold every row of a data set of any size, a chunk of users at a time: interrupted or killed, it
 * leaves whole chunks, and the next run goes on from there.
 */
export async function writeBulk(url: string, dataSet: DataSet, options: BulkOptions): Promise<Written> {
  const { chunks, users, hash } = chunksOf(dataSet);
  const tables = await writeChunks(url, dataSet, chunks, bulkOf(dataSet).size.events, options);
  return { tables, users, hash: hash() };
}

/** The same for a data set that fits into memory, in one transaction. */
export async function writeWhole(url: string, dataSet: DataSet, options: BulkOptions): Promise<Written> {
  const [{ generate }, { contentHash }] = await Promise.all([
    import('../../generate.ts'),
    import('../../hash.ts'),
  ]);
  const { users, rows } = generate(dataSet);
  const tables = await writeChunks(url, dataSet, only(chunkOf(rows)), rows.events.length, options);
  return { tables, users, hash: contentHash(rows) };
}

async function* only<T>(one: T): AsyncGenerator<T, void> {
  yield one;
}

async function writeChunks(
  url: string,
  dataSet: DataSet,
  chunks: AsyncIterator<Chunk, void>,
  total: number,
  { dryRun, signal, onProgress }: BulkOptions,
): Promise<TableCount[]> {
  const tables = await withConnection(describe(url), async (client) => {
    if (dataSet.bulk && !dryRun) await makePartitions(client, dataSet, dataSet.bulk);
    return tablesOf(client);
  });
  const counted = { rows: countsOf(() => 0), present: countsOf(() => 0), added: countsOf(() => 0) };
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
  return tables.map(({ name, rows }) => ({
    table: name,
    rows: counted.rows[rows],
    present: counted.present[rows],
    added: counted.added[rows],
  }));
}
