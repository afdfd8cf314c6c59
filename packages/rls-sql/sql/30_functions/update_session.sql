-- requires: public.coding_sessions, public.coding_jobs
-- Security definer: a worker writes through fenced functions only.
create or replace function private.update_session(
  p_job_id uuid, p_worker_id text, p_attempt integer, p_session jsonb
)
returns void
language plpgsql
security definer
set search_path = '', pg_temp
as $$
declare
  v_session_id uuid;
begin
  -- Locks in the order profile, project, session, job, as everywhere.
  if p_session ? 'sandbox_id' then
    update public.projects as p
    set sandbox_id = p_session ->> 'sandbox_id'
    where p.id = (
        select s.project_id
        from public.coding_jobs as j
        join public.coding_sessions as s on s.id = j.session_id
        where j.id = p_job_id
      )
      and p.sandbox_id is distinct from p_session ->> 'sandbox_id';
  end if;
  v_session_id := private.hold_session(p_job_id, p_worker_id, p_attempt);

  update public.coding_sessions as s
  set sandbox_id = coalesce(p_session ->> 'sandbox_id', s.sandbox_id),
      webview_url = coalesce(p_session ->> 'webview_url', s.webview_url),
      eas_update_url = coalesce(p_session ->> 'eas_update_url', s.eas_update_url),
      storage_prefix = coalesce(p_session ->> 'storage_prefix', s.storage_prefix),
      metadata = s.metadata || coalesce(p_session -> 'metadata', '{}')
  where s.id = v_session_id;
end
$$;

comment on function private.update_session(uuid, text, integer, jsonb) is
  'Writes what a worker knows of its job''s session: sandbox_id (of its project too), webview_url, eas_update_url, storage_prefix, metadata (merged). Raises lease_lost (MV001) when the job is no longer held.';

revoke all on function private.update_session(uuid, text, integer, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function private.update_session(uuid, text, integer, jsonb) to service_role, mobvibe_worker;
