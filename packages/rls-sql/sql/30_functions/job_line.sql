-- requires: private.session_archives
-- The same rows are the same line for everybody and for ever: it depends on no setting, and a column that a later
-- migration adds does not show while it is null. changed_xid is of this database's life only.
create or replace function private.job_line(p_job_id uuid)
returns text
language sql
stable
set search_path = '', pg_temp
set timezone = 'UTC'
as $$
  select (
    jsonb_strip_nulls(to_jsonb(j) - array['changed_xid', 'result']) || jsonb_build_object(
      'result', j.result,
      'attempts', (
        select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(a)) order by a.attempt), '[]')
        from private.job_attempts as a
        where a.job_id = j.id and a.user_id = j.user_id
      )
    )
  )::text
  from public.coding_jobs as j
  where j.id = p_job_id
$$;

comment on function private.job_line(uuid) is
  'A job and its attempts as the line of JSON that an archive holds of them: every column but changed_xid, without nulls.';

revoke all on function private.job_line(uuid) from public, anon, authenticated, service_role;
grant execute on function private.job_line(uuid) to service_role, mobvibe_worker;
