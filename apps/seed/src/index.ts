import type { ServiceClient, Tier } from '@mobvibe/db';
import { type RemovedCount, remove } from './database/clean.ts';
import { type TableCount, write } from './database/write.ts';
import { generateAll } from './generate.ts';
import { contentHash } from './hash.ts';
import { type DataSet, dataSetOf, type SeedOptions } from './options.ts';
import { SEED_PASSWORD } from './password.ts';
import type { Rows } from './rows.ts';
import { emailOf, userIdOf } from './rows-of.ts';
import { scales } from './scales/index.ts';

export type { RemovedCount } from './database/clean.ts';
export type { TableCount } from './database/write.ts';
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

/** A user of a data set, and how many rows are its own. */
export interface SeededUser {
  /** What it shows: `free`, `pro`, `team`, `enterprise`, `rtl`, `anonymous`, `newcomer`. */
  key: string;
  id: string;
  /** Null for an anonymous user, who cannot sign in again; everybody else does with SEED_PASSWORD. */
  email: string | null;
  tier: Tier;
  projects: number;
  sessions: number;
  jobs: number;
  events: number;
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
  const rows = generateAll(dataSet);
  const tables = await write(client, dataSet, rows, { dryRun });
  const added = tables.reduce((total, table) => total + table.added, 0);
  return { ...named(dataSet, dryRun), hash: contentHash(rows), added, tables, users: usersOf(dataSet, rows) };
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
  const tables = await remove(client, generateAll(dataSet), { dryRun });
  const removed = tables.reduce((total, table) => total + table.removed, 0);
  return { ...named(dataSet, dryRun), removed, tables };
}

/** The users of a data set, without a look at any database. */
export function seededUsers(options: SeedOptions = {}): SeededUser[] {
  const dataSet = dataSetOf(options);
  return usersOf(dataSet, generateAll(dataSet));
}

function usersOf(dataSet: DataSet, { projects, sessions, jobs, events }: Rows): SeededUser[] {
  return [...scales[dataSet.scale].users(dataSet)].map((user) => {
    const id = userIdOf(dataSet, user.key);
    const own = (rows: { userId: string }[]) => rows.filter((row) => row.userId === id).length;
    const counts = { projects: own(projects), sessions: own(sessions), jobs: own(jobs), events: own(events) };
    return { key: user.key, id, email: emailOf(dataSet, user), tier: user.tier, ...counts };
  });
}

const named = ({ scale, seed, now }: DataSet, dryRun: boolean): Named => ({
  scale,
  seed,
  now: now.toISOString(),
  dryRun,
});
