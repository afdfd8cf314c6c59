import { chunksOf } from './database/bulk/chunks.ts';
import { bulkTables } from './database/bulk/tables.ts';
import { generate } from './generate.ts';
import { dataSetOf, type SeedOptions } from './options.ts';
import type { SeededUser } from './users-of.ts';

export type { RunOptions } from './by-copy.ts';
export type { Progress } from './database/bulk/write.ts';
export type { SeedOptions } from './options.ts';
export { SEED_PASSWORD } from './password.ts';
export { progressOn } from './progress.ts';
export type { ScaleName } from './scales/index.ts';
export type { ScenarioName } from './scenarios/scenarios.ts';
export { type ScenarioUser, type SeededScenario, seedScenario } from './scenarios/seed-scenario.ts';
export { clean, type SeedTarget, seed } from './seed.ts';
export type { CleanSummary, RemovedCount, SeedSummary, TableCount } from './summary.ts';
export type { SeededUser } from './users-of.ts';

/** The users of a data set, without a look at any database. */
export const seededUsers = (options: SeedOptions = {}): SeededUser[] => generate(dataSetOf(options)).users;

/** The rows of a data set that has a size, as COPY takes them in its text format: table by table, again and again. */
export async function* copyTexts(
  options: SeedOptions,
): AsyncGenerator<{ table: string; columns: string[]; pieces: Buffer[]; rows: number }> {
  for await (const { text } of chunksOf(dataSetOf(options)).chunks) {
    for (const { name, rows } of bulkTables) {
      if (text[rows].rows > 0) yield { table: name, ...text[rows] };
    }
  }
}
