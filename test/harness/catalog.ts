import { readFileSync } from 'node:fs';
import type { ClientBase } from 'pg';

const query = readFileSync(new URL('./catalog-dump.sql', import.meta.url), 'utf8');

/** The schema of a database as text, a line an object: two databases with the same lines have the same schema. */
export async function dumpCatalog(client: ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ dump: string | null }>(query);
  return rows[0]?.dump?.split('\n') ?? [];
}
