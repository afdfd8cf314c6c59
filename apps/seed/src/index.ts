import type { ServiceClient } from '@mobvibe/db';
import { type RemovedCount, remove } from './database/clean.ts';
import { type TableCount, write } from './database/write.ts';
import { generate, type SeededUser } from './generate.ts';
import { contentHash } from './hash.ts';
import { type DataSet, dataSetOf, type SeedOptions } from './options.ts';
import { SEED_PASSWORD } from './password.ts';

export type { RemovedCount } from './database/clean.ts';
export type { TableCount } from './database/write.ts';
export type { SeededUser } from './generate.ts';
export type { SeedOptions } from './options.ts';
export type { ScaleName } from './scales/index.ts';
export { SEED_PASSWORD };

interface Named {
  scale: string;
  seed: number;
  now: string;
  dryRun: boolean;
}

export interface SeedSummary extends Named {
  /** SHA-256 over all rows of the data set: the same on every machine. */
  hash: string;
  /** Rows that were not there before. */
  added: number;
  tables: TableCount[];
  users: SeededUser[];
}

export interface CleanSummary extends Named {
  removed: number;
  tables: RemovedCount[];
}

/**
 * Makes the database hold a data set, users who can sign in included, and counts what it holds. What is there
 * already stays untouched. One transaction.
 * @throws CommandError when an option is wrong, or the database cannot take the data set.
 */
export async function seed(
  client: ServiceClient,
  { dryRun = false, ...options }: SeedOptions & { dryRun?: boolean } = {},
): Promise<SeedSummary> {
  const dataSet = dataSetOf(options);
  const { users, rows } = generate(dataSet);
  const tables = await write(client, dataSet, rows, { dryRun });
  const added = tables.reduce((total, table) => total + table.added, 0);
  return { ...named(dataSet, dryRun), hash: contentHash(rows), added, tables, users };
}

/**
 * Removes a data set: its users with everything they own by now, whatever the time it was seeded for.
 * @throws CommandError when an option is wrong, or the login may not.
 */
export async function clean(
  client: ServiceClient,
  { dryRun = false, ...options }: SeedOptions & { dryRun?: boolean } = {},
): Promise<CleanSummary> {
  const dataSet = dataSetOf(options);
  const tables = await remove(client, generate(dataSet).rows, { dryRun });
  const removed = tables.reduce((total, table) => total + table.removed, 0);
  return { ...named(dataSet, dryRun), removed, tables };
}

/** The users of a data set, without a look at any database. */
export const seededUsers = (options: SeedOptions = {}): SeededUser[] => generate(dataSetOf(options)).users;

const named = ({ scale, seed, now }: DataSet, dryRun: boolean): Named => ({
  scale,
  seed,
  now: now.toISOString(),
  dryRun,
});
