import { errorCode } from '@mobvibe/cli';
import type { Pool, PoolClient } from 'pg';
import type { Caller } from '../tokens.ts';

interface Permissions {
  read: boolean;
  write: boolean;
}

/** What a caller may do in a topic. */
export interface Policies {
  broadcast: Permissions;
  presence: Permissions;
}

/** Those of a public topic. */
export const OPEN: Policies = {
  broadcast: { read: true, write: true },
  presence: { read: true, write: true },
};

const API_ROLES = new Set(['anon', 'authenticated', 'service_role']);

/** The connection may become anybody; a token may not. */
export const isApiRole = (role: string): boolean => API_ROLES.has(role);

/**
 * Asks the policies on realtime.messages: which of two rows, one of each extension, the caller may see, and which it
 * may insert. Everything is rolled back.
 *
 * @throws when the database cannot be asked. A policy that fails permits nothing.
 */
export async function askPolicies(pool: Pool, topic: string, caller: Caller): Promise<Policies> {
  return rolledBack(pool, async (client) => {
    const probes = await client.query<{ id: string }>(
      `insert into realtime.messages (topic, extension, private)
       values ($1, 'broadcast', true), ($1, 'presence', true) returning id`,
      [topic],
    );
    await become(client, caller, topic);
    const visible = await denied(() =>
      // now() is that of the transaction, so only today's partition is read.
      client.query<{ extension: string }>(
        'select extension from realtime.messages where inserted_at = now()::timestamp and id = any ($1)',
        [probes.rows.map(({ id }) => id)],
      ),
    );
    const readable = new Set(visible?.rows.map(({ extension }) => extension));
    const permissions = async (extension: string): Promise<Permissions> => ({
      read: readable.has(extension),
      // The transaction is over for whoever could not even read.
      write: visible !== undefined && (await mayInsert(client, topic, extension)),
    });
    return { broadcast: await permissions('broadcast'), presence: await permissions('presence') };
  });
}

/** Whether the caller may send a broadcast to a private topic it has not joined. */
export async function mayBroadcast(pool: Pool, topic: string, caller: Caller): Promise<boolean> {
  return rolledBack(pool, async (client) => {
    await become(client, caller, topic);
    return mayInsert(client, topic, 'broadcast');
  });
}

/** Runs `task` in a transaction that changes nothing. */
export async function rolledBack<T>(pool: Pool, task: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken = true;
  try {
    await client.query('begin');
    const result = await task(client);
    await client.query('rollback');
    broken = false;
    return result;
  } finally {
    // A connection that may still carry somebody's claims is not used again.
    client.release(broken);
  }
}

/** Turns the transaction into the caller's. @throws when a token claims a role the API does not have. */
export async function become(client: PoolClient, { role, claims }: Caller, topic = ''): Promise<void> {
  if (!isApiRole(role)) throw new Error('not a role of the API');
  await client.query(
    `select set_config('role', $1, true), set_config('realtime.topic', $2, true),
       set_config('request.jwt.claims', $3, true), set_config('request.jwt.claim.sub', $4, true),
       set_config('request.jwt.claim.role', $1, true)`,
    [role, topic, JSON.stringify(claims), typeof claims.sub === 'string' ? claims.sub : ''],
  );
}

async function mayInsert(client: PoolClient, topic: string, extension: string): Promise<boolean> {
  await client.query('savepoint probe');
  const inserted = await denied(() =>
    client.query(`insert into realtime.messages (topic, extension, private) values ($1, $2, true)`, [
      topic,
      extension,
    ]),
  );
  await client.query('rollback to savepoint probe');
  return inserted !== undefined;
}

/** Undefined when the database refuses: for want of a permission, or because a policy raises an error. */
async function denied<T>(query: () => Promise<T>): Promise<T | undefined> {
  try {
    return await query();
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

// Classes of SQLSTATE that mean the server has no time, no room, or goes away: no answer about permissions.
const NO_ANSWER = /^(08|53|57|58|XX)/;

function isRefusal(error: unknown): boolean {
  const code = errorCode(error);
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !NO_ANSWER.test(code);
}
