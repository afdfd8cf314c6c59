-- requires: public.coding_jobs_processing_key, private.tier_limits, private.workers
create or replace function private.measure_queue()
returns table (check_name text, subject text, value double precision)
language sql
stable
set search_path = '', pg_temp
as $$
  with busy as materialized (
    select j.user_id, j.session_id, j.worker_id, j.lease_expires_at
    from public.coding_jobs as j
    where j.status = 'processing'
  ),
  at_their_limit as materialized (
    select b.user_id
    from busy as b
    join public.profiles as u on u.id = b.user_id
    join private.tier_limits as l on l.tier = u.tier
    group by b.user_id, l.max_concurrent_jobs
    having count(*) >= l.max_concurrent_jobs
  ),
  pending as materialized (
    select
      count(*) filter (where j.available_at > now()) as delayed,
      -- What waits for its own session, or for its user's limit, waits for no worker.
      min(greatest(j.available_at, j.created_at)) filter (
        where j.available_at <= now()
          and j.session_id not in (select b.session_id from busy as b)
          and j.user_id not in (select a.user_id from at_their_limit as a)
      ) as oldest_due_at
    from public.coding_jobs as j
    where j.status = 'pending'
  )
  select 'oldest_due_job', null, coalesce(extract(epoch from now() - p.oldest_due_at), 0)::double precision
  from pending as p
  union all
  select 'delayed_jobs', null, p.delayed
  from pending as p
  union all
  select 'expired_lease', b.worker_id, extract(epoch from now() - min(b.lease_expires_at))
  from busy as b
  where b.lease_expires_at < now()
  group by b.worker_id
  union all
  select 'silent_workers', null, count(*)
  from private.workers as w
  where w.stopped_at is null
    and w.last_seen_at < now() - interval '1 minute' and w.last_seen_at > now() - interval '1 hour'
$$;

comment on function private.measure_queue() is
  'Measurements of the queue: jobs that no worker takes, delayed ones, leases that ran out, workers gone silent.';

revoke all on function private.measure_queue() from public, anon, authenticated, service_role;
