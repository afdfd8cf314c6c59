-- requires: public.coding_jobs, private.job_attempts
-- Security definer: a worker writes through fenced functions only.
create or replace function private.release_jobs(p_worker_id text, p_job_ids uuid[], p_attempts integer[])
returns void
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  perform private.assert_leases(p_worker_id, p_job_ids, p_attempts);

  update private.job_attempts as a
  set ended_at = now(), outcome = 'released'
  from unnest(p_job_ids, p_attempts) as t (job_id, attempt)
  where a.job_id = t.job_id and a.attempt = t.attempt;

  update public.coding_jobs as j
  set status = 'pending', attempt = j.attempt - 1, lease_expires_at = null, worker_id = null, claimed_at = null
  where j.id = any (p_job_ids);

  perform pg_notify('mobvibe_jobs', '');
end
$$;

comment on function private.release_jobs(text, uuid[], integer[]) is
  'Gives jobs back at a graceful shutdown: pending at once, the attempt not counted. Raises lease_lost (MV001) and changes nothing when one is no longer held.';

revoke all on function private.release_jobs(text, uuid[], integer[]) from public, anon, authenticated, service_role;
grant execute on function private.release_jobs(text, uuid[], integer[]) to service_role, mobvibe_worker;
