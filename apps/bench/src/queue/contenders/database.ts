import pg from 'pg';

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
