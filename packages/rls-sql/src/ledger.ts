import { readFileSync } from 'node:fs';
import type { ClientBase } from 'pg';
import packageJson from '../package.json' with { type: 'json' };
import { type Catalog, type CatalogObject, key } from './catalog.ts';
import type { Declaration } from './declarations.ts';
import type { SqlFile } from './files.ts';

const schema = readFileSync(new URL('./queries/ledger.sql', import.meta.url), 'utf8');

export interface LedgerFile {
  path: string;
  checksum: string;
  down_sql: string | null;
}

export interface LedgerObject extends Omit<CatalogObject, 'owner'> {
  path: string;
}

/** What was applied, as the database remembers it. */
export interface Ledger {
  files: Map<string, LedgerFile>;
  objects: LedgerObject[];
}

/** The ledger; empty where nothing was ever applied. */
export async function readLedger(client: ClientBase): Promise<Ledger> {
  const { rows } = await client.query<{ exists: boolean }>(
    "select to_regclass('rls_sql.objects') is not null as exists",
  );
  if (!rows[0]?.exists) return { files: new Map(), objects: [] };
  const files = await client.query<LedgerFile>(
    'select path, checksum, down_sql from rls_sql.files order by path',
  );
  const objects = await client.query<LedgerObject>(
    'select kind, identity, path, definition, relation from rls_sql.objects',
  );
  return { files: new Map(files.rows.map((file) => [file.path, file])), objects: objects.rows };
}

/** Makes the ledger's tables. */
export async function createLedger(client: ClientBase): Promise<void> {
  await client.query(schema);
}

/** Forgets what files declared, before they are entered anew. */
export async function forgetObjects(client: ClientBase, files: SqlFile[]): Promise<void> {
  await client.query('delete from rls_sql.objects where path = any ($1)', [files.map((file) => file.path)]);
}

/** Enters a file that was just applied, with what the catalog now shows of each of its declarations. */
export async function recordFile(
  client: ClientBase,
  file: SqlFile,
  declarations: Declaration[],
  catalog: Catalog,
): Promise<void> {
  await client.query(
    `insert into rls_sql.files (path, checksum, down_sql, applied_by) values ($1, $2, $3, $4)
     on conflict (path) do update set checksum = excluded.checksum, down_sql = excluded.down_sql,
       applied_by = excluded.applied_by, applied_at = now()`,
    [file.path, file.checksum, file.downSql, packageJson.version],
  );
  const objects = declarations.map((declaration) => {
    const object = catalog.get(declaration);
    if (!object)
      throw new Error(`${file.path} declares ${key(declaration)}, which the catalog does not show`);
    return object;
  });
  await client.query(
    `insert into rls_sql.objects (kind, identity, definition, relation, path)
     select t.kind, t.identity, t.definition, t.relation, $5
     from unnest($1::text[], $2::text[], $3::text[], $4::oid[]) as t (kind, identity, definition, relation)`,
    [
      objects.map((object) => object.kind),
      objects.map((object) => object.identity),
      objects.map((object) => object.definition),
      objects.map((object) => object.relation),
      file.path,
    ],
  );
}
