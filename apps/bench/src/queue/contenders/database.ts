import { randomBytes } from 'node:crypto';
import { describe, type Target, withConnection } from '@mobvibe/cli';
import { createDatabase } from '@mobvibe/local';
import pg from 'pg';
import type { BenchServer } from '../../core/server.ts';

export interface OwnDatabase {
  target: Target;
  /** As the superuser. */
  admin: Target;
  drop(): Promise<void>;
}

/**
 * A database of its own on the server of the benchmark.
 * @param template copied with all that is in it; nobody may be connected to it
 */
export async function ownDatabase(
  { target, admin }: Required<BenchServer>,
  template = 'template0',
): Promise<OwnDatabase> {
  const name = `bench_${randomBytes(6).toString('hex')}`;
  await createDatabase(admin.url, name, { template });
  return {
    target: inDatabase(target, name),
    admin: inDatabase(admin, name),
    drop: async () => {
      await withConnection(admin, (client) =>
        client.query(`drop database ${pg.escapeIdentifier(name)} with (force)`),
      );
    },
  };
}

const inDatabase = ({ url }: Target, name: string): Target =>
  describe(Object.assign(new URL(url), { pathname: name }).href);

/** Connections that may break, or be ended by the server, without ending this process: the next query says so. */
export function openPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config);
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** Vacuums and analyses every table of a schema, as autovacuum would sooner or later. */
export async function vacuum(sql: Pick<pg.ClientBase, 'query'>, schemas: string[]): Promise<void> {
  const { rows } = await sql.query<{ tables: string }>(
    `select string_agg(format('%I.%I', n.nspname, c.relname), ', ') as tables
     from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname = any ($1)`,
    [schemas],
  );
  await sql.query(`vacuum (analyze) ${rows[0]?.tables}`);
}
