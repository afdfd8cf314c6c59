import type { ClientBase } from 'pg';
import { escapeLiteral, escapeIdentifier as id } from 'pg';
import { type Catalog, ownerColumn, type Table } from './catalog.ts';
import { plausible } from './values.ts';

/** The columns of a row as text; null is null. */
export type Row = Record<string, string | null>;
/** One row a table, by the table's id. */
export type Rows = Map<string, Row>;

// What the type alone does not tell: a job that a worker holds, so that the functions of the queue take it.
const refined: Record<string, Row> = {
  'public.coding_jobs': {
    status: 'processing',
    worker_id: 'attack',
    attempt: '1',
    lease_expires_at: '2031-01-01T00:00:00Z',
  },
};

export const literal = (value: string | null | undefined): string =>
  value === null || value === undefined ? 'null' : escapeLiteral(value);
export const name = (table: Table): string => `${id(table.schema)}.${id(table.name)}`;

/** A value inside the bounds of a partition. */
export function partitionValue(table: Table): string {
  if (table.bound === 'DEFAULT') return '2001-01-01T00:00:00Z';
  const from = /FROM \('([^']+)'\)/.exec(table.bound ?? '')?.[1];
  if (!from) throw new Error(`${table.id}: no value is known inside its bounds ${table.bound}`);
  return from;
}

/** Gives each user one row in every table; what belongs to nobody gets one for each of them too, where it can. */
export async function makeRows(client: ClientBase, catalog: Catalog, users: string[]): Promise<Rows[]> {
  const made: Rows[] = [];
  for (const user of users) {
    const rows: Rows = new Map([['auth.users', { id: user }]]);
    // Of the platform's tables: what a table of ours may refer to.
    const { rows: files } = await client.query<Row>(
      "insert into storage.objects (bucket_id, name) values ('project-files', $1) returning id, bucket_id, name",
      [`${user}/attack/attack/App.tsx`],
    );
    if (files[0]) rows.set('storage.objects', files[0]);
    for (const table of catalog.tables) {
      if (table.kind !== 'v' && table.kind !== 'm' && table.kind !== 'S')
        await makeRow(client, catalog, table, user, rows);
    }
    made.push(rows);
  }
  return made;
}

async function makeRow(
  client: ClientBase,
  catalog: Catalog,
  table: Table,
  user: string,
  rows: Rows,
): Promise<Row> {
  const present = rows.get(table.id);
  if (present) return present;

  const values: Row = {};
  for (const key of table.foreignKeys) {
    if (key.parent === table.id) continue;
    const parent = catalog.tables.find((candidate) => candidate.id === key.parent);
    const row = parent
      ? await makeRow(client, catalog, parent, user, rows)
      : (rows.get(key.parent) ?? (await anyRow(client, key.parent)));
    key.columns.forEach((column, n) => {
      values[column] = row[key.parentColumns[n] ?? ''] ?? null;
    });
  }
  const owner = ownerColumn(catalog, table);
  if (owner) values[owner] = user;
  const given = new Set(Object.keys(values));
  table.columns.forEach((column, n) => {
    if (!given.has(column.name) && column.required)
      values[column.name] = plausible(column, n, column.isUnique);
  });
  if (table.partitionKey) values[table.partitionKey] = partitionValue(table);
  Object.assign(values, refined[table.id]);

  const found = owner ? await oneRow(client, table, `${id(owner)} = ${literal(user)}`) : undefined;
  const row =
    found ??
    (await insertRow(client, table, values).catch(async (error: Error) => {
      // Of what belongs to nobody, any row will do: a table of tiers has no room for another.
      const other = owner ? undefined : await oneRow(client, table, 'true');
      if (other) return other;
      throw new Error(
        `no row can be made in ${table.id} (${error.message}): say in fixtures.ts what one looks like`,
      );
    }));
  rows.set(table.id, row);
  return row;
}

const asText = (table: Table): string =>
  table.columns.map((column) => `${id(column.name)}::text as ${id(column.name)}`).join(', ');

async function insertRow(client: ClientBase, table: Table, values: Row): Promise<Row> {
  const columns = Object.keys(values);
  const { rows } = await client.query(
    `insert into ${name(table)} (${columns.map(id).join(', ')})
     values (${columns.map((column) => literal(values[column])).join(', ')}) returning ${asText(table)}`,
  );
  return rows[0];
}

async function oneRow(client: ClientBase, table: Table, where: string): Promise<Row | undefined> {
  return (await client.query(`select ${asText(table)} from ${name(table)} where ${where} limit 1`)).rows[0];
}

async function anyRow(client: ClientBase, table: string): Promise<Row> {
  const row = (await client.query(`select to_jsonb(t) as row from ${table} as t limit 1`)).rows[0]?.row;
  if (!row) throw new Error(`${table} has no row that another table could refer to`);
  return row;
}
