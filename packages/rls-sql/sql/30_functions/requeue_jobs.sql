-- requires: public.coding_jobs
-- Security definer: a worker writes through functions only.
create or replace function private.requeue_jobs(p_job_ids uuid[])
returns table (job_id uuid, status public.job_status)
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  -- Shared, as when a job is enqueued: the session cannot end before this transaction does. Locks in the order
  -- profile, project, session, job, as everywhere.
  perform from public.coding_sessions as s
  where s.id in (select j.session_id from public.coding_jobs as j where j.id = any (p_job_ids))
  order by s.id
  for share;

  -- The attempts go on counting, because (worker, attempt) is a fencing token; what is granted is as many again.
  return query
  with failed as materialized (
    select j.id
    from public.coding_jobs as j
    join public.coding_sessions as s on s.id = j.session_id
    where j.id = any (p_job_ids) and j.status = 'failed'
      and s.status in ('pending', 'active') and s.deleted_at is null
    order by j.id
    for no key update of j
  )
  update public.coding_jobs as j
  set status = 'pending', available_at = now(), completed_at = null, claimed_at = null, worker_id = null,
      error_code = null, error_message = null, cancel_requested_at = null,
      max_attempts = j.attempt + least(greatest(j.max_attempts, 1), 3)
  from failed as f
  where j.id = f.id
  returning j.id, j.status;

  if found then
    perform pg_notify('mobvibe_jobs', '');
  end if;
end
$$;

comment on function private.requeue_jobs(uuid[]) is
  'Puts failed jobs of open sessions back into the queue with up to three more attempts; returns those it did.';

revoke all on function private.requeue_jobs(uuid[]) from public, anon, authenticated, service_role;
grant execute on function private.requeue_jobs(uuid[]) to service_role, mobvibe_worker;
