import type { ServiceClient } from '@mobvibe/db';
import type { NamedDataSet } from '../options.ts';
import type { Rows } from '../rows.ts';
import type { TableCount } from '../summary.ts';
import { refuseOtherTime } from './explained.ts';
import type { Transaction } from './tables.ts';
import { inTransaction } from './transaction.ts';

/**
 * Makes the database hold every row of the data set, and says what it holds. Rows that are there stay as they are:
 * somebody may have worked with them, and a second run writes nothing at all.
 */
export function write(
  client: ServiceClient,
  dataSet: NamedDataSet,
  rows: Rows,
  { dryRun }: { dryRun: boolean },
): Promise<TableCount[]> {
  return inTransaction(client, dataSet, async (tx, tables) => {
    await refuseOtherTimes(tx, dataSet, rows);
    const before = [];
    for (const table of tables) before.push({ table, missing: await table.missing(tx, rows) });
    if (!dryRun) {
      for (const { missing } of before) await missing.insert(tx);
      for (const { missing } of before) await missing.settle(tx);
    }

    const counts: TableCount[] = [];
    for (const { table, missing } of before) {
      const left = dryRun || missing.count === 0 ? missing : await table.missing(tx, rows);
      if (!dryRun && left.count > 0) throw new Error(`${left.count} rows of ${table.name} were not stored`);
      const all = table.count(rows);
      counts.push({
        table: table.name,
        rows: all,
        present: all - left.count,
        added: missing.count - left.count,
      });
    }
    return counts;
  });
}

async function refuseOtherTimes(tx: Transaction, dataSet: NamedDataSet, { users }: Rows): Promise<void> {
  const planned = new Map(users.map((user) => [user.id, user.createdAt]));
  const found = await tx.user.findFirst({
    where: { id: { in: [...planned.keys()] } },
    select: { id: true, createdAt: true },
    orderBy: { id: 'asc' },
  });
  if (found) refuseOtherTime(dataSet, planned.get(found.id) ?? null, found.createdAt);
}
