import { readFileSync } from 'node:fs';

const keepGrants = readFileSync(new URL('keep-grants.sql', import.meta.url), 'utf8');

/**
 * @typedef {import('@prisma/schema-engine-wasm').SchemaFilter} SchemaFilter
 * @typedef {import('./session.mjs').Session} Session
 */

/**
 * Makes every table and enum external that shares its schema with an external table. `tables.external` takes full
 * names only, and Supabase adds tables to schema auth at any time: without this, a fresh project is "not empty" to
 * `migrate deploy`, and `migrate diff` proposes to drop the platform's tables.
 * @param {Session} session
 * @param {SchemaFilter} filter
 * @returns {Promise<SchemaFilter>}
 */
export async function withPlatformObjects(session, filter) {
  const schemas = filter.externalTables.flatMap((table) =>
    table.includes('.') ? [table.split('.')[0]] : [],
  );
  if (schemas.length === 0) return filter;
  /** @type {{ rows: { kind: string, name: string }[] }} */
  const { rows } = await session.query(
    `select 'table' as kind, n.nspname || '.' || c.relname as name
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = any ($1) and c.relkind in ('r', 'p', 'f')
     union all
     select 'enum', n.nspname || '.' || t.typname
     from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
     where n.nspname = any ($1) and t.typtype = 'e'`,
    [schemas],
  );
  const named = (/** @type {string} */ kind) =>
    rows.filter((row) => row.kind === kind).map(({ name }) => name);
  return {
    externalTables: [...new Set([...filter.externalTables, ...named('table')])],
    externalEnums: [...new Set([...filter.externalEnums, ...named('enum')])],
  };
}

/**
 * Runs `reset` and then gives the schemas that exist again the owners and grants they had.
 * @template T
 * @param {Session} session
 * @param {() => Promise<T>} reset
 */
export async function keepingGrants(session, reset) {
  /** @type {{ rows: { statement: string, schema: string }[] }} */
  const { rows: before } = await session.query(keepGrants);
  const result = await reset();
  /** @type {{ rows: { statement: string }[] }} */
  const { rows: after } = await session.query(keepGrants);
  const kept = new Set(after.map(({ statement }) => statement));
  /** @type {{ rows: { nspname: string }[] }} */
  const { rows: left } = await session.query('select nspname from pg_catalog.pg_namespace');
  const schemas = new Set(left.map(({ nspname }) => nspname));
  for (const { statement, schema } of before) {
    if (!kept.has(statement) && schemas.has(schema)) await session.query(statement);
  }
  return result;
}
