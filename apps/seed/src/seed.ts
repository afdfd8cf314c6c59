import { CommandError } from '@mobvibe/cli';
import type { ServiceClient } from '@mobvibe/db';
import { cleanByCopy, type RunOptions, seedByCopy } from './by-copy.ts';
import { type DataSet, dataSetOf, type SeedOptions } from './options.ts';
import { type CleanSummary, cleaned, type SeedSummary, seeded } from './summary.ts';

/**
 * The database: where it is, and rows go in with COPY, over connections of its own; or a client that somebody has
 * already, for scale ci.
 */
export type SeedTarget = { url: string } | ServiceClient;

/**
 * Makes the database hold a data set, users who can sign in included, and counts what it holds. What is there
 * already stays untouched. Scale ci is one transaction; others are one for some users at a time, and a run that was
 * interrupted is continued by the next one.
 * @throws CommandError when an option is wrong, or the database cannot take the data set.
 */
export function seed(to: SeedTarget, options: SeedOptions & RunOptions = {}): Promise<SeedSummary> {
  return isUrl(to) ? seedByCopy(to.url, options) : seedWith(to, options);
}

/**
 * Removes a data set: its users with everything they own by now, whatever the time it was seeded for.
 * @throws CommandError when an option is wrong, or the login may not.
 */
export function clean(to: SeedTarget, options: SeedOptions & RunOptions = {}): Promise<CleanSummary> {
  return isUrl(to) ? cleanByCopy(to.url, options) : cleanWith(to, options);
}

const isUrl = (to: SeedTarget): to is { url: string } => typeof (to as { url?: unknown }).url === 'string';

async function seedWith(
  client: ServiceClient,
  { dryRun = false, ...options }: SeedOptions & RunOptions,
): Promise<SeedSummary> {
  const dataSet = inMemory(options);
  // Loaded where they are used: Prisma's client and faker take longer to load than mvp takes to generate.
  const [{ generate }, { contentHash }, { write }] = await Promise.all([
    import('./generate.ts'),
    import('./hash.ts'),
    import('./database/write.ts'),
  ]);
  const { users, rows } = generate(dataSet);
  const tables = await write(client, dataSet, rows, { dryRun });
  return seeded(dataSet, dryRun, { tables, users, hash: contentHash(rows) });
}

async function cleanWith(
  client: ServiceClient,
  { dryRun = false, ...options }: SeedOptions & RunOptions,
): Promise<CleanSummary> {
  const dataSet = inMemory(options);
  const [{ generate }, { remove }] = await Promise.all([
    import('./generate.ts'),
    import('./database/clean.ts'),
  ]);
  return cleaned(dataSet, dryRun, await remove(client, dataSet, generate(dataSet).rows, { dryRun }));
}

function inMemory({ signal, onProgress, ...options }: SeedOptions & RunOptions): DataSet {
  const dataSet = dataSetOf(options);
  if (!dataSet.bulk) return dataSet;
  throw new CommandError(
    `${dataSet.name} goes in with COPY, which a Prisma client has not`,
    'pass { url } to seed',
  );
}
