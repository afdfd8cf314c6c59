import { readFileSync } from 'node:fs';
import type { ClientBase } from 'pg';

/** The schemas under attack: all of ours. */
const SCHEMAS = ['public', 'private', 'partitions', 'rls_sql'];

export interface Column {
  name: string;
  type: string;
  labels: string[] | null;
  /** Not null, and nothing fills it. */
  required: boolean;
  default: string | null;
  generated: boolean;
  isUnique: boolean;
}

export interface ForeignKey {
  columns: string[];
  parent: string;
  parentColumns: string[];
}

export interface Table {
  schema: string;
  name: string;
  /** `schema.name` */
  id: string;
  kind: 'r' | 'p' | 'v' | 'm' | 'f' | 'S';
  /** Of a partition: the partitioned table. */
  parent: string | null;
  bound: string | null;
  partitionKey: string | null;
  columns: Column[];
  key: string[];
  foreignKeys: ForeignKey[];
}

export interface Routine {
  schema: string;
  name: string;
  signature: string;
  kind: 'f' | 'p';
  isTrigger: boolean;
  arguments: { name: string; type: string; labels: string[] | null }[];
}

export interface Catalog {
  tables: Table[];
  routines: Routine[];
}

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');

export async function readCatalog(client: ClientBase): Promise<Catalog> {
  const tables = await client.query<Omit<Table, 'id'>>(read('./tables.sql'), [SCHEMAS]);
  const routines = await client.query<Routine>(read('./functions.sql'), [SCHEMAS]);
  return {
    tables: tables.rows.map((table) => ({ ...table, id: `${table.schema}.${table.name}` })),
    routines: routines.rows,
  };
}

/** The column that says whose row it is: its foreign keys lead, over however many tables, to auth.users. */
export function ownerColumn(catalog: Catalog, table: Table): string | undefined {
  const leadsToUser = (id: string, column: string, seen: string[]): boolean => {
    if (id === 'auth.users') return column === 'id';
    const at = catalog.tables.find((candidate) => candidate.id === id);
    if (!at || seen.includes(`${id}.${column}`)) return false;
    return at.foreignKeys.some((key) => {
      const position = key.columns.indexOf(column);
      return (
        position >= 0 &&
        leadsToUser(key.parent, key.parentColumns[position] ?? '', [...seen, `${id}.${column}`])
      );
    });
  };
  return table.columns.find((column) => leadsToUser(table.id, column.name, []))?.name;
}
