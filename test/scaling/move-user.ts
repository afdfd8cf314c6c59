import { readFileSync } from 'node:fs';
import type { Client } from 'pg';

/** A table that holds users' rows. */
export interface UserTable {
  table: string;
  /** The column that says whose. */
  key: string;
  columns: string[];
}

const userTablesQuery = readFileSync(new URL('./user-tables.sql', import.meta.url), 'utf8');

/** Every table with users' rows, parents first. Names are quoted where they must be. */
export async function userTables(client: Client): Promise<UserTable[]> {
  return (await client.query<UserTable>(userTablesQuery)).rows;
}

/**
 * Copies a user's rows to another database, as they are, and makes sure that they arrived. Its triggers do not run: what
 * they would do has been done. Foreign keys are not looked at either; the rows come from where they hold.
 * @param to in a transaction; what an earlier attempt left there goes first
 */
export async function copyUser(from: Client, to: Client, userId: string): Promise<void> {
  const tables = await userTables(from);
  await to.query('set local session_replication_role = replica');
  for (const { table, key } of tables.toReversed())
    await to.query(`delete from ${table} where ${key} = $1`, [userId]);
  for (const { table, key, columns } of tables) {
    const { rows } = await from.query<{ rows: string }>(
      `select coalesce(jsonb_agg(to_jsonb(t)), '[]')::text as rows from ${table} as t where ${key} = $1`,
      [userId],
    );
    await to.query(
      `insert into ${table} (${columns}) select ${columns} from jsonb_populate_recordset(null::${table}, $1)`,
      [rows[0]?.rows],
    );
  }
  await to.query('set local session_replication_role = origin');
  for (const each of tables) {
    const [here, there] = [await digest(from, each, userId), await digest(to, each, userId)];
    if (here !== there) throw new Error(`${each.table}: the copy differs from the original`);
  }
}

async function digest(client: Client, { table, key }: UserTable, userId: string): Promise<string> {
  const { rows } = await client.query<{ digest: string }>(
    `select count(*) || ' ' || coalesce(md5(string_agg(r.row, e'\\n' order by r.row)), '') as digest
     from (select (to_jsonb(t) - 'changed_xid')::text as row from ${table} as t where ${key} = $1) as r`,
    [userId],
  );
  return rows[0]?.digest ?? '';
}

/**
 * Moves a user to another database. While it runs, whoever would write for that user waits; afterwards their write
 * fails, because its parents are gone, and is made again where the route leads by then. All other users go on.
 *
 * An attempt that was interrupted before the cut-over is made again: the copy that it left was never valid. After the
 * cut-over only the original is left, which nobody is led to: it is deleted from auth.users.
 * @param cutOver points the route to the new database, for good
 * @throws Error when one of the user's jobs is running: its worker holds a lease there.
 */
export async function moveUser(options: {
  userId: string;
  from: Client;
  to: Client;
  cutOver(): Promise<void>;
}): Promise<void> {
  const { userId, from, to, cutOver } = options;
  await from.query('begin');
  try {
    // The parents, too: a new child needs a lock on them that this one does not leave.
    for (const { table, key } of await userTables(from))
      await from.query(`select from ${table} where ${key} = $1 for update`, [userId]);
    const { rows } = await from.query(
      "select from public.coding_jobs where user_id = $1 and status = 'processing'",
      [userId],
    );
    if (rows.length > 0) throw new Error('a job of this user is running');
    await to.query('begin');
    await copyUser(from, to, userId).catch(async (error) => {
      await to.query('rollback');
      throw error;
    });
    await to.query('commit');
    await cutOver();
    await removeUser(from, userId);
    await from.query('commit');
  } catch (error) {
    await from.query('rollback');
    throw error;
  }
}

/** Removes what is left of a user who has moved away. */
async function removeUser(client: Client, userId: string): Promise<void> {
  await client.query('delete from auth.users where id = $1', [userId]);
}
