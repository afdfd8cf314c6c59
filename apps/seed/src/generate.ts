import type { DataSet } from './options.ts';
import { passwordHash } from './password.ts';
import { join, noRows, type Rows } from './rows.ts';
import { rowsOf } from './rows-of.ts';
import { scales } from './scales/index.ts';
import { workersOf } from './workers.ts';

/** The rows of a data set, user by user. Nothing but the data set decides: no clock, no database, no locale. */
export function* generate(dataSet: DataSet): Generator<Rows> {
  yield { ...noRows(), workers: workersOf(dataSet) };
  const encryptedPassword = passwordHash(dataSet);
  for (const user of scales[dataSet.scale].users(dataSet)) {
    yield rowsOf(dataSet, user, encryptedPassword);
  }
}

export const generateAll = (dataSet: DataSet): Rows => join(generate(dataSet));
