import { readdirSync, readFileSync } from 'node:fs';
import { errorCode, oneLine } from '@mobvibe/cli';
import pg from 'pg';
import { LOCAL_PASSWORD } from '../running.ts';

/** The login roles of the services, each with what it needs and no more. */
export type ServiceRole =
  | 'authenticator'
  | 'supabase_auth_admin'
  | 'supabase_storage_admin'
  | 'supabase_admin';

/** The same database, as another role of the local stack. */
export function asRole(databaseUrl: string, role: ServiceRole): string {
  return Object.assign(new URL(databaseUrl), { username: role, password: LOCAL_PASSWORD }).href;
}

/** A few connections of one service; they come back by themselves after the server was away. */
export function createPool(databaseUrl: string, role: ServiceRole, log: (line: string) => void): pg.Pool {
  const pool = new pg.Pool({
    connectionString: asRole(databaseUrl, role),
    application_name: `mobvibe api ${role}`,
    max: 8,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: 10_000,
  });
  // A connection that dies while nobody uses it is replaced; unheard, the event would end the process.
  pool.on('error', (error) => log(`${role}: lost a connection: ${oneLine(error)}`));
  return pool;
}

/** Runs `task` in a transaction of its own: all of it happens, or nothing. */
export async function inTransaction<T>(
  pool: pg.Pool,
  task: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken = false;
  try {
    await client.query('begin');
    const result = await task(client);
    await client.query('commit');
    return result;
  } catch (error) {
    // A connection that cannot roll back must not go back to the pool: it may still have somebody's claims.
    await client.query('rollback').catch(() => {
      broken = true;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/** The statements of a folder, by file name: `find_user.sql` is `find_user`. */
export function readQueries(folder: URL): (name: string) => string {
  const statements = new Map(
    readdirSync(folder)
      .filter((name) => name.endsWith('.sql'))
      .map((name) => [name.slice(0, -'.sql'.length), readFileSync(new URL(name, folder), 'utf8')]),
  );
  return (name) => {
    const statement = statements.get(name);
    if (statement === undefined) throw new Error(`no file ${name}.sql in ${folder.pathname}`);
    return statement;
  };
}

/** Whether the database cannot be reached at all: the same request may succeed later. */
export function isUnreachable(error: unknown): boolean {
  return (
    /^(ECONN|ETIMEDOUT|EPIPE|57P0|08|53300)/.test(errorCode(error) ?? '') ||
    oneLine(error).includes('timeout exceeded')
  );
}

/** Whether the database cannot hold a text of the request: it has no NUL. */
export const isUnstorable = (error: unknown): boolean => ['22021', '22P05'].includes(errorCode(error) ?? '');
