import { CommandError, say, type Target } from '@mobvibe/cli';
import type pg from 'pg';

interface Facts {
  role: string;
  superuser: boolean;
  missing: string[];
  forbidden: string[];
}

/**
 * Checks that this is a Supabase database and that the connected role may migrate it.
 * @throws CommandError naming everything that is missing.
 */
export async function checkPlatform(client: pg.Client, to: Target): Promise<void> {
  const { rows } = await client.query<Facts>(`
    with users as (
      select c.oid from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'auth' and c.relname = 'users'
    )
    select
      current_user as role,
      (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as superuser,
      array(
        select 'role ' || r from unnest(array['anon', 'authenticated', 'service_role']) r
        where not exists (select from pg_catalog.pg_roles where rolname = r)
        union all
        select 'table auth.users' where not exists (select from users)
      ) as missing,
      array(
        select 'create schemas' where not has_database_privilege(current_database(), 'create')
        union all
        select 'create tables in schema public' where not has_schema_privilege('public', 'create')
        union all
        select 'reference auth.users' from users where not has_table_privilege(oid, 'references')
        union all
        select 'put a trigger on auth.users' from users where not has_table_privilege(oid, 'trigger')
      ) as forbidden`);
  const [facts] = rows;
  if (!facts) return;
  if (facts.missing.length > 0) {
    throw new CommandError(
      `${to.description} is not a Supabase database: it has no ${facts.missing.join(', no ')}`,
      'use the connection string of a Supabase project, or pnpm local start',
    );
  }
  if (facts.forbidden.length > 0) {
    throw new CommandError(
      `role ${facts.role} may not ${facts.forbidden.join(', may not ')}`,
      'connect as postgres, the role that Supabase gives to the owner of a project',
    );
  }
  if (facts.superuser && facts.role !== 'postgres') {
    say(
      `warning: ${facts.role} is a superuser; what it creates will not belong to postgres, as it would on Supabase`,
    );
  }
}

/**
 * Refuses a transaction pooler: there, each statement may run in another session, so that a lock protects nothing.
 * @throws CommandError
 */
export function refuseTransactionPooler(to: Target): void {
  const url = new URL(to.url);
  if (url.port !== '6543' && url.searchParams.get('pgbouncer') !== 'true') return;
  throw new CommandError(
    `${to.description} is a transaction pooler, through which migrations cannot hold their lock`,
    'set DIRECT_URL to the direct connection or the session pooler, both on port 5432',
  );
}
