import type { ServiceClient } from '@mobvibe/db';
import type { NamedDataSet } from '../options.ts';
import type { Rows } from '../rows.ts';
import type { RemovedCount } from '../summary.ts';
import { inTransaction } from './transaction.ts';

/** Removes the users of a data set with everything they own, and the data set's workers. Nothing else is touched. */
export function remove(
  client: ServiceClient,
  dataSet: Pick<NamedDataSet, 'name'>,
  { users, workers }: Pick<Rows, 'users' | 'workers'>,
  { dryRun }: { dryRun: boolean },
): Promise<RemovedCount[]> {
  const userIds = users.map((user) => user.id);
  const ofDataSet = { where: { id: { in: workers.map((worker) => worker.id) } } };
  return inTransaction(client, dataSet, async (tx, tables) => {
    const removed: RemovedCount[] = [];
    for (const { name, countOfUsers } of tables) {
      const count = name === 'private.workers' ? tx.worker.count(ofDataSet) : countOfUsers(tx, userIds);
      removed.push({ table: name, removed: await count });
    }
    if (!dryRun) {
      // Everything that a user owns refers to it with `on delete cascade`.
      await tx.user.deleteMany({ where: { id: { in: userIds } } });
      await tx.worker.deleteMany(ofDataSet);
    }
    return removed;
  });
}
