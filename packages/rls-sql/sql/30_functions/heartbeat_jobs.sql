-- requires: public.coding_jobs, private.workers
-- Security definer: a worker writes through fenced functions only.
create or replace function private.heartbeat_jobs(
  p_worker_id text, p_job_ids uuid[], p_attempts integer[], p_lease interval
)
returns table (job_id uuid, held boolean, cancel boolean)
language plpgsql
security definer
set search_path = '', pg_temp
-- Statistics of a queue are stale most of the time: the plan must not depend on them.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
begin
  -- Nobody waits for the disk: a heartbeat that a crash takes back is one that came late.
  perform set_config('synchronous_commit', 'off', true);

  update private.workers as w set last_seen_at = now() where w.id = p_worker_id;

  return query
  with asked as materialized (
    select t.job_id, t.attempt from unnest(p_job_ids, p_attempts) as t (job_id, attempt)
    -- In one order, so that two batches cannot deadlock.
    order by t.job_id
  ),
  extended as (
    update public.coding_jobs as j
    set lease_expires_at = now() + p_lease, updated_at = now()
    from asked as a
    -- Only what is processing has a lease. The status itself would let the planner walk the index of all that is.
    where j.id = a.job_id and j.attempt = a.attempt and j.worker_id = p_worker_id and j.lease_expires_at is not null
    returning j.id, j.cancel_requested_at
  )
  select a.job_id, e.id is not null, e.cancel_requested_at is not null
  from asked as a
  left join extended as e on e.id = a.job_id;
end
$$;

comment on function private.heartbeat_jobs(text, uuid[], integer[], interval) is
  'Extends the leases that this worker still holds; says for each job whether it is held and whether to cancel it.';

revoke all on function private.heartbeat_jobs(text, uuid[], integer[], interval)
  from public, anon, authenticated, service_role;
grant execute on function private.heartbeat_jobs(text, uuid[], integer[], interval) to service_role, mobvibe_worker;
