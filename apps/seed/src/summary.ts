import type { DataSet } from './options.ts';
import type { Size } from './scales/index.ts';
import type { SeededUser } from './users-of.ts';

export interface TableCount {
  table: string;
  /** Rows of the data set. */
  rows: number;
  /** How many of them the database holds, read back at the end. */
  present: number;
  /** How many of them were not there before. */
  added: number;
}

export interface RemovedCount {
  table: string;
  /** Rows that were there, those included that the seeded users have made since. */
  removed: number;
}

interface Named {
  scale: string;
  seed: number;
  /** Of a scale that has one. */
  size?: Size;
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

/** What came of a seed. */
export const seeded = (
  dataSet: DataSet,
  dryRun: boolean,
  written: Pick<SeedSummary, 'hash' | 'tables' | 'users'>,
): SeedSummary => ({
  ...named(dataSet, dryRun),
  hash: written.hash,
  added: written.tables.reduce((total, table) => total + table.added, 0),
  tables: written.tables,
  users: written.users,
});

/** What came of a removal. */
export const cleaned = (dataSet: DataSet, dryRun: boolean, tables: RemovedCount[]): CleanSummary => ({
  ...named(dataSet, dryRun),
  removed: tables.reduce((total, table) => total + table.removed, 0),
  tables,
});

const named = ({ scale, seed, now, bulk }: DataSet, dryRun: boolean): Named => ({
  scale,
  seed,
  ...(bulk && { size: bulk.size }),
  now: now.toISOString(),
  dryRun,
});
