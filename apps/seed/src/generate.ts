import type { DataSet } from './options.ts';
import { join, type Rows } from './rows.ts';
import { bulk } from './scales/bulk/bulk.ts';
import { ci } from './scales/ci.ts';
import { type SeededUser, usersOf } from './users-of.ts';
import { workersOf } from './workers.ts';

/** A whole data set, for scales that fit into memory. */
export function generate(dataSet: DataSet): { users: SeededUser[]; rows: Rows } {
  const scale = dataSet.bulk ? bulk : ci;
  const users = [...usersOf(dataSet, scale)];
  const rows = join(users.map((generated) => generated.rows));
  return {
    users: users.map((generated) => generated.user),
    rows: { ...rows, workers: workersOf(dataSet, scale.workers(dataSet)) },
  };
}
