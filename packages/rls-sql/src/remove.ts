import type { ClientBase } from 'pg';
import { type Catalog, readCatalog } from './catalog.ts';
import type { Declaration, Kind } from './declarations.ts';
import { readLedger } from './ledger.ts';

// Functions go first and take the triggers that call them along: `postgres` may not drop a trigger on a table of
// the platform, but may drop its own function.
const dropOrder: Kind[] = ['policy', 'function', 'trigger', 'grants', 'role'];

/** The statements that drop exactly these objects, where they still exist. Changes nothing. */
export async function dropStatements<T extends Declaration>(
  client: ClientBase,
  objects: T[],
  catalog: Catalog,
): Promise<{ object: T; sql: string }[]> {
  const functions = new Set(objects.filter((o) => o.kind === 'function').map((o) => o.identity));
  const found: { object: T; sql: string }[] = [];
  for (const kind of dropOrder) {
    for (const object of objects.filter((candidate) => candidate.kind === kind)) {
      const now = catalog.get(object);
      if (!now) continue;
      const add = (...statements: string[]) => found.push(...statements.map((sql) => ({ object, sql })));
      if (kind === 'policy') add(`drop policy ${object.identity}`);
      if (kind === 'function') {
        const signatures = await signaturesOf(client, object.identity);
        add(...signatures.map((signature) => `drop function ${signature} cascade`));
      }
      if (kind === 'trigger' && !callsOneOf(now.definition, functions)) {
        add(`drop trigger ${object.identity}`);
      }
      if (kind === 'grants') add(...(await revokeAll(client, object.identity)));
    }
  }
  return found;
}

/** Runs the SQL that takes back what the catalog cannot tell, as it stood when the file was applied. */
export async function runDownSql(client: ClientBase, file: { down_sql: string | null }): Promise<void> {
  if (file.down_sql) await client.query(file.down_sql);
}

/** Takes the whole SQL layer out, ledger included, inside the caller's transaction, which must hold `lockLayer`. */
export async function removeLayer(client: ClientBase): Promise<void> {
  const ledger = await readLedger(client);
  const drops = await dropStatements(client, ledger.objects, await readCatalog(client));
  for (const { sql } of drops) await client.query(sql);
  for (const file of [...ledger.files.values()].reverse()) await runDownSql(client, file);
  await client.query('drop schema if exists rls_sql cascade');
}

async function signaturesOf(client: ClientBase, identity: string): Promise<string[]> {
  const { rows } = await client.query<{ signature: string }>(
    `select p.oid::regprocedure::text as signature
     from pg_catalog.pg_proc as p
     join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
     where format('%I.%I', n.nspname, p.proname) = $1`,
    [identity],
  );
  return rows.map(({ signature }) => signature);
}

async function revokeAll(client: ClientBase, identity: string): Promise<string[]> {
  // The platform's own usage of schema public is not ours to take; its down.sql takes what is.
  if (identity === 'schema public') return [];
  const on = identity.startsWith('schema ') ? identity : `table ${identity}`;
  const { rows } = await client.query<{ grantee: string }>(
    `select distinct coalesce(quote_ident(r.rolname), 'public') as grantee
     from (
       select c.relacl as acl from pg_catalog.pg_class as c where c.oid = to_regclass($1)
       union all
       select a.attacl from pg_catalog.pg_attribute as a where a.attrelid = to_regclass($1)
       union all
       select n.nspacl from pg_catalog.pg_namespace as n where 'schema ' || quote_ident(n.nspname) = $1
     ) as held
     cross join lateral aclexplode(held.acl) as a
     left join pg_catalog.pg_roles as r on r.oid = a.grantee
     where a.grantee <> a.grantor`,
    [identity],
  );
  return rows.map(({ grantee }) => `revoke all on ${on} from ${grantee}`);
}

const callsOneOf = (triggerDefinition: string, functions: Set<string>): boolean => {
  const called = /EXECUTE FUNCTION (.+?)\(/.exec(triggerDefinition)?.[1];
  return called !== undefined && functions.has(called);
};
