-- requires: public.coding_sessions, public.coding_jobs
create or replace function private.hold_session(p_job_id uuid, p_worker_id text, p_attempt integer)
returns uuid
language plpgsql
set search_path = '', pg_temp
as $$
declare
  v_session_id uuid;
begin
  -- Locks in the order profile, project, session, job, as everywhere.
  select s.id into v_session_id
  from public.coding_sessions as s
  where s.id = (select j.session_id from public.coding_jobs as j where j.id = p_job_id)
  for no key update;
  perform private.assert_leases(p_worker_id, array[p_job_id], array[p_attempt]);
  return v_session_id;
end
$$;

comment on function private.hold_session(uuid, text, integer) is
  'Locks the session of a job and the job; returns the session''s id. Raises lease_lost (MV001) unless this worker holds the job at this attempt.';

revoke all on function private.hold_session(uuid, text, integer) from public, anon, authenticated, service_role;
