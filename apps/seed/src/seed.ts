import { CommandError } from '@mobvibe/cli';
import type { ServiceClient } from '@mobvibe/db';
import type { BulkOptions } from './database/bulk/write.ts';
import { type DataSet, dataSetOf, type SeedOptions } from './options.ts';
import type { CleanSummary, RemovedCount, SeedSummary, TableCount } from './summary.ts';
import type { SeededUser } from './users-of.ts';

/**
 * The database: where it is, or a client that somebody has already. mvp and growth go in with COPY, which takes
 * connections of its own.
 */
export type SeedTarget = { url: string } | ServiceClient;

/** How to do it. */
export type RunOptions = Partial<BulkOptions>;

/**
 * Makes the database hold a data set, users who can sign in included, and counts what it holds. What is there
 * already stays untouched. Scale ci is one transaction; others are one for some users at a time, and a run that was
 * interrupted is continued by the next one.
 * @throws CommandError when an option is wrong, or the database cannot take the data set.
 */
export async function seed(
  to: SeedTarget,
  { dryRun = false, signal, onProgress, ...options }: SeedOptions & RunOptions = {},
): Promise<SeedSummary> {
  const dataSet = dataSetOf(options);
  const { tables, users, hash } = dataSet.bulk
    ? await (await import('./database/bulk/write.ts')).writeBulk(urlOf(to, dataSet), dataSet, {
        dryRun,
        signal,
        onProgress,
      })
    : await writeWhole(to, dataSet, dryRun);
  const added = tables.reduce((total, table) => total + table.added, 0);
  return { ...named(dataSet, dryRun), hash, added, tables, users };
}

/**
 * Removes a data set: its users with everything they own by now, whatever the time it was seeded for.
 * @throws CommandError when an option is wrong, or the login may not.
 */
export async function clean(
  to: SeedTarget,
  { dryRun = false, signal, onProgress, ...options }: SeedOptions & RunOptions = {},
): Promise<CleanSummary> {
  const dataSet = dataSetOf(options);
  const tables = dataSet.bulk
    ? await (await import('./database/bulk/clean.ts')).removeBulk(urlOf(to, dataSet), dataSet, {
        dryRun,
        signal,
        onProgress,
      })
    : await removeWhole(to, dataSet, dryRun);
  const removed = tables.reduce((total, table) => total + table.removed, 0);
  return { ...named(dataSet, dryRun), removed, tables };
}

// Loaded where they are used: Prisma's client and faker take longer to load than mvp takes to generate.
async function writeWhole(
  to: SeedTarget,
  dataSet: DataSet,
  dryRun: boolean,
): Promise<{ tables: TableCount[]; users: SeededUser[]; hash: string }> {
  const [{ generate }, { write }, { contentHash }] = await Promise.all([
    import('./generate.ts'),
    import('./database/write.ts'),
    import('./hash.ts'),
  ]);
  const { users, rows } = generate(dataSet);
  const tables = await withClient(to, (client) => write(client, dataSet, rows, { dryRun }));
  return { tables, users, hash: contentHash(rows) };
}

async function removeWhole(to: SeedTarget, dataSet: DataSet, dryRun: boolean): Promise<RemovedCount[]> {
  const [{ generate }, { remove }] = await Promise.all([
    import('./generate.ts'),
    import('./database/clean.ts'),
  ]);
  return withClient(to, (client) => remove(client, generate(dataSet).rows, { dryRun }));
}

const isUrl = (to: SeedTarget): to is { url: string } => typeof (to as { url?: unknown }).url === 'string';

function urlOf(to: SeedTarget, { name }: DataSet): string {
  if (isUrl(to)) return to.url;
  throw new CommandError(`${name} goes in with COPY, which a Prisma client has not`, 'pass { url } to seed');
}

async function withClient<T>(to: SeedTarget, task: (client: ServiceClient) => Promise<T>): Promise<T> {
  if (!isUrl(to)) return task(to);
  const { createServiceClient } = await import('@mobvibe/db');
  const client = createServiceClient({ url: to.url, poolSize: 1 });
  try {
    return await task(client);
  } finally {
    await client.$disconnect();
  }
}

const named = ({ scale, seed, now, bulk }: DataSet, dryRun: boolean) => ({
  scale,
  seed,
  ...(bulk && { size: bulk.size }),
  now: now.toISOString(),
  dryRun,
});
