import type { DataSet } from '../../options.ts';
import type { Bulk } from '../index.ts';
import type { Scale } from '../scale.ts';
import { plannedUsers, userKey } from './plan.ts';
import { userScenario } from './user.ts';
import { generationsOf } from './workers.ts';

/** As many users as one likes, who differ as users do. */
export const bulk: Scale = {
  *users(dataSet) {
    const { size, span } = bulkOf(dataSet);
    for (const plan of plannedUsers(dataSet, size)) yield userScenario(dataSet, plan, span);
  },
  keys: (dataSet) => Array.from({ length: bulkOf(dataSet).size.users }, (_, index) => userKey(index)),
  workers: (dataSet) => generationsOf(bulkOf(dataSet).span),
};

export function bulkOf({ name, bulk: given }: DataSet): Bulk {
  if (!given) throw new Error(`${name} has no size`);
  return given;
}
