-- requires: public.coding_jobs
-- Security definer: a worker writes through functions only.
create or replace function private.cancel_jobs(p_job_ids uuid[])
returns table (job_id uuid, status public.job_status)
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  return query
  with wanted as materialized (
    select j.id from public.coding_jobs as j
    where j.id = any (p_job_ids) and j.status in ('pending', 'processing')
    order by j.id
    for no key update
  )
  update public.coding_jobs as j
  set cancel_requested_at = now()
  from wanted as w
  where j.id = w.id
  returning j.id, j.status;
end
$$;

comment on function private.cancel_jobs(uuid[]) is
  'Cancels jobs as their owner would: pending ones at once, running ones at their worker''s next heartbeat; returns those it found open.';

revoke all on function private.cancel_jobs(uuid[]) from public, anon, authenticated, service_role;
grant execute on function private.cancel_jobs(uuid[]) to service_role, mobvibe_worker;
