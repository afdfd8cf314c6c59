import type { ClientBase } from 'pg';

/**
 * Every stored row version of every table that the seed may touch: a row that was written again with the values it
 * had, or only locked, counts as changed.
 */
export async function snapshot(sql: ClientBase): Promise<Record<string, string[]>> {
  const { rows: tables } = await sql.query<{ name: string }>(`
    select c.oid::regclass::text as name
    from pg_class as c
    where c.relkind = 'r'
      and c.relnamespace::regnamespace::text in ('auth', 'private', 'public', 'partitions')
    order by 1`);
  const versions: Record<string, string[]> = {};
  for (const { name } of tables) {
    const { rows } = await sql.query<{ version: string }>(
      `select concat_ws(' ', t.ctid, t.xmin, t.xmax, md5(t::text)) as version from ${name} as t order by 1`,
    );
    versions[name] = rows.map(({ version }) => version);
  }
  return versions;
}
