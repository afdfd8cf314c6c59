import type { DataSet } from '../options.ts';
import type { UserScenario } from '../scenario.ts';
import type { WorkerScenario } from '../workers.ts';

/** What a data set tells. Users come one at a time, so that many of them need not fit into memory. */
export interface Scale {
  users(dataSet: DataSet): Iterable<UserScenario>;
  /** The keys of those users, without what happened to them. */
  keys(dataSet: DataSet): string[];
  workers(dataSet: DataSet): Record<string, WorkerScenario>;
}
