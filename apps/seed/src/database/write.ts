import { CommandError } from '@mobvibe/cli';
import type { ServiceClient } from '@mobvibe/db';
import type { DataSet } from '../options.ts';
import type { Rows } from '../rows.ts';
import type { Transaction } from './tables.ts';
import { inTransaction } from './transaction.ts';

export interface TableCount {
  table: string;
  /** Rows of the data set. */
  rows: number;
  /** How many of them the database holds, read back at the end. */
  present: number;
  /** How many of them were not there before. */
  added: number;
}

/**
 * Makes the database hold every row of the data set, and says what it holds. Rows that are there stay as they are:
 * somebody may have worked with them, and a second run writes nothing at all.
 */
export function write(
  client: ServiceClient,
  dataSet: DataSet,
  rows: Rows,
  { dryRun }: { dryRun: boolean },
): Promise<TableCount[]> {
  return inTransaction(client, async (tx, tables) => {
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

// Ids hold their time, so another `now` would give the same users a second set of everything.
async function refuseOtherTimes(tx: Transaction, { name, now }: DataSet, { users }: Rows): Promise<void> {
  const planned = new Map(users.map((user) => [user.id, user.createdAt]));
  const found = await tx.user.findFirst({
    where: { id: { in: [...planned.keys()] } },
    select: { id: true, createdAt: true },
    orderBy: { id: 'asc' },
  });
  const shift = Number(found?.createdAt) - Number(planned.get(found?.id ?? ''));
  if (!found || shift === 0) return;
  const then = new Date(now.getTime() + shift).toISOString();
  throw new CommandError(
    `the database holds ${name} as of ${then}`,
    `seed with --now ${then}, or remove it first with --clean`,
  );
}
