import type pg from 'pg';
import { type BulkTable, bulkTables } from './tables.ts';

/** The tables that are there: only the platform knows which of its own it has. */
export async function tablesOf(client: pg.ClientBase): Promise<BulkTable[]> {
  const { rows } = await client.query<{ there: boolean }>(
    `select to_regclass('auth.identities') is not null as there`,
  );
  return bulkTables.filter(({ name }) => name !== 'auth.identities' || rows[0]?.there);
}
