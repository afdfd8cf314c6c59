import type { ClientBase } from 'pg';

/** Row by row what the tables hold, without what is of the database: when, and by which transaction it was written. */
export async function contents(sql: ClientBase): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const table of [
    'auth.users',
    'auth.identities',
    'public.profiles',
    'public.projects',
    'public.coding_sessions',
    'public.coding_jobs',
    'private.job_attempts',
    'private.workers',
    'public.session_events',
  ]) {
    const ours = table === 'public.profiles' ? `- 'updated_at'` : '';
    const { rows } = await sql.query<{ digest: string }>(
      `select count(*) || ' ' || coalesce(md5(string_agg(row, '' order by row)), '') as digest
       from (select md5((to_jsonb(t) - 'changed_xid' ${ours})::text) as row from ${table} as t) as rows`,
    );
    all[table] = rows[0]?.digest ?? '';
  }
  return all;
}
