import type pg from 'pg';
import { inTransaction } from '../database.ts';
import type { Caller } from '../tokens.ts';

const TIMEOUT = '30s';

/** Turns the rest of a transaction over to the caller: row-level security decides from here on. */
export async function become(client: pg.ClientBase, caller: Caller, operation: string): Promise<void> {
  await client.query(
    `select set_config('role', $1, true), set_config('statement_timeout', $2, true),
      set_config('request.jwt.claims', $3, true), set_config('request.jwt.claim.sub', '', true),
      set_config('storage.operation', $4, true), set_config('storage.allow_delete_query', 'true', true)`,
    [caller.role, TIMEOUT, JSON.stringify(caller.claims), operation],
  );
}

/** Runs `task` in a transaction under the caller's role and claims. */
export function asCaller<T>(
  pool: pg.Pool,
  caller: Caller,
  operation: string,
  task: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  return inTransaction(pool, async (client) => {
    await become(client, caller, operation);
    return task(client);
  });
}

/** Whoever comes with a token that a caller was given for one object: the check was made when it was given. */
export const trusted = (sub?: string): Caller => ({
  role: 'service_role',
  claims: { role: 'service_role', ...(sub && { sub }) },
});
