import { readFileSync } from 'node:fs';
import { CommandError, errorCode, oneLine } from '@mobvibe/cli';
import { applyInTransaction, lockLayer, readLedger, removeLayer, retryContested } from '@mobvibe/rls-sql';
import type { ClientBase } from 'pg';
import { type DownMigration, migrationsAfter } from './migrations.ts';

const inventoryQuery = readFileSync(new URL('./inventory.sql', import.meta.url), 'utf8');

// The lock that `prisma migrate` holds while it changes a database.
const PRISMA_ADVISORY_LOCK = 72_707_369;

export interface RollbackOptions {
  /** The last migration to keep: `003`, a full name, or `000` for none. */
  to: string;
  /** The folder with the numbered migrations. */
  directory: string;
  /** Go on although data would be lost. */
  force?: boolean;
  /** Do everything, then take it back: nothing changes. */
  dryRun?: boolean;
  /** Told when another migration or apply is in the way. */
  onWait?: (seconds: number) => void;
}

export interface RollbackResult {
  rolledBack: string[];
  /** What went, as a person would say it: `public.projects (12 rows)`. */
  lost: string[];
}

interface InventoryItem {
  kind: 'table' | 'view' | 'column' | 'function';
  name: string;
  column_name: string | null;
}

/**
 * Takes migrations back, newest first, in one transaction: the SQL layer goes, every down.sql runs, and what of
 * the SQL layer still has its tables comes back, verified. A crash at any point changes nothing.
 * @throws CommandError when rows, or objects that are not ours, would be lost and `force` is not given.
 */
export const rollback = (client: ClientBase, options: RollbackOptions): Promise<RollbackResult> =>
  retryContested(() => rollbackOnce(client, options));

async function rollbackOnce(client: ClientBase, options: RollbackOptions): Promise<RollbackResult> {
  await client.query('begin');
  try {
    await client.query('select pg_advisory_xact_lock($1)', [PRISMA_ADVISORY_LOCK]);
    await lockLayer(client, options.onWait);
    const migrations = await migrationsAfter(client, options.to, options.directory);
    const result = { rolledBack: migrations.map(({ name }) => name), lost: [] as string[] };
    if (migrations.length > 0) result.lost = await takeBack(client, migrations, options);
    await client.query(options.dryRun ? 'rollback' : 'commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  }
}

async function takeBack(
  client: ClientBase,
  migrations: DownMigration[],
  options: RollbackOptions,
): Promise<string[]> {
  const before = await inventory(client);
  const ours = await ourFunctions(client);

  // What would go is known only once it is gone; the rows are counted after a step back.
  await client.query('savepoint before');
  await run(client, migrations);
  const left = new Set((await inventory(client)).map(label));
  const gone = before.filter((item) => !left.has(label(item)) && !ours.has(item.name));
  await client.query('rollback to savepoint before');

  const lost = await describeLoss(
    client,
    gone,
    migrations.flatMap(({ reference }) => reference),
  );
  if (lost.length > 0 && !options.force && !options.dryRun) {
    throw new CommandError(
      `this would lose ${lost.join(', ')}`,
      'if that is meant, add --force; nothing was changed',
    );
  }
  await run(client, migrations);
  return lost;
}

async function run(client: ClientBase, migrations: DownMigration[]): Promise<void> {
  await removeLayer(client);
  for (const { name, sql } of migrations) {
    try {
      await client.query(sql);
    } catch (error) {
      throw new CommandError(
        `down.sql of ${name}: ${oneLine(error)} (${errorCode(error)})`,
        'correct that down.sql; nothing was changed',
        { cause: error },
      );
    }
  }
  const { rows } = await client.query<{ left: boolean }>(
    `with marked as (
       update public._prisma_migrations set rolled_back_at = now()
       where migration_name = any ($1) and rolled_back_at is null
     )
     select exists (
       select from public._prisma_migrations where rolled_back_at is null and migration_name <> all ($1)
     ) as left`,
    [migrations.map(({ name }) => name)],
  );
  if (!rows[0]?.left) await client.query('drop table public._prisma_migrations');
  await applyInTransaction(client);
}

async function inventory(client: ClientBase): Promise<InventoryItem[]> {
  return (await client.query<InventoryItem>(inventoryQuery)).rows;
}

async function ourFunctions(client: ClientBase): Promise<Set<string>> {
  const { objects } = await readLedger(client);
  return new Set(objects.filter(({ kind }) => kind === 'function').map(({ identity }) => identity));
}

async function describeLoss(
  client: ClientBase,
  gone: InventoryItem[],
  reference: string[],
): Promise<string[]> {
  const tables = new Set(gone.filter((item) => item.kind === 'table').map((item) => item.name));
  const lost: string[] = [];
  for (const item of gone) {
    if (item.name === 'public._prisma_migrations' || reference.includes(item.name)) continue;
    if (item.kind === 'view' || item.kind === 'function')
      lost.push(`${item.kind} ${item.name}, which is not ours`);
    if (item.kind === 'table') {
      const count = await countRows(client, item.name, 'true');
      if (count > 0) lost.push(`${item.name} (${rows(count)})`);
    }
    if (item.kind === 'column' && !tables.has(item.name)) {
      const column = client.escapeIdentifier(item.column_name ?? '');
      const count = await countRows(client, item.name, `${column} is not null`);
      if (count > 0) lost.push(`column ${item.name}.${item.column_name} (${rows(count)})`);
    }
  }
  return lost;
}

// The names come quoted from the catalog.
async function countRows(client: ClientBase, table: string, condition: string): Promise<number> {
  const { rows } = await client.query<{ count: string }>(
    `select count(*) as count from ${table} where ${condition}`,
  );
  return Number(rows[0]?.count);
}

const label = (item: InventoryItem): string => `${item.kind} ${item.name} ${item.column_name ?? ''}`;
const rows = (count: number): string => `${count} ${count === 1 ? 'row' : 'rows'}`;
