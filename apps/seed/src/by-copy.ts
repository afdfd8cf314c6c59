import type { BulkOptions } from './database/bulk/write.ts';
import { dataSetOf, type SeedOptions } from './options.ts';
import { type CleanSummary, cleaned, type SeedSummary, seeded } from './summary.ts';

/** How to do it. */
export type RunOptions = Partial<BulkOptions>;

/** `seed` where the database is named by its URL. Nothing of it loads Prisma's client, which takes longer than ci. */
export async function seedByCopy(
  url: string,
  { dryRun = false, signal, onProgress, ...options }: SeedOptions & RunOptions = {},
): Promise<SeedSummary> {
  const dataSet = dataSetOf(options);
  const { writeBulk, writeWhole } = await import('./database/bulk/write.ts');
  const write = dataSet.bulk ? writeBulk : writeWhole;
  return seeded(dataSet, dryRun, await write(url, dataSet, { dryRun, signal, onProgress }));
}

/** `clean` where the database is named by its URL. */
export async function cleanByCopy(
  url: string,
  { dryRun = false, signal, onProgress, ...options }: SeedOptions & RunOptions = {},
): Promise<CleanSummary> {
  const dataSet = dataSetOf(options);
  const { removeBulk } = await import('./database/bulk/clean.ts');
  return cleaned(dataSet, dryRun, await removeBulk(url, dataSet, { dryRun, signal, onProgress }));
}
