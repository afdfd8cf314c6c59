import type { DataSet } from '../options.ts';
import type { UserScenario } from '../scenario.ts';

/** A size of sample data. Users come one at a time, so that a large scale need not fit into memory. */
export interface Scale {
  description: string;
  users(dataSet: DataSet): Iterable<UserScenario>;
}
