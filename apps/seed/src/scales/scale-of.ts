import type { DataSet } from '../options.ts';
import { bulk } from './bulk/bulk.ts';
import type { Scale } from './scale.ts';

/** What tells of the users of a data set. Loaded where it is used: ci needs faker. */
export const scaleOf = async (dataSet: DataSet): Promise<Scale> =>
  dataSet.bulk ? bulk : (await import('./ci.ts')).ci;
