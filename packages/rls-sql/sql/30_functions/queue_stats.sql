-- requires: public.coding_jobs, private.workers.idle_since
-- Each number comes from a partial index over open rows, so that looking costs the same after a million jobs.
-- Security definer: the numbers are for whoever may call this, whatever tables that role may read.
create or replace function private.queue_stats()
returns table (
  pending bigint, due bigint, delayed bigint, processing bigint, failed_last_hour bigint,
  oldest_due_seconds double precision, active_sessions bigint, live_workers bigint, idle_workers bigint
)
language sql
stable
security definer
set search_path = '', pg_temp
as $$
  select
    queue.pending, queue.due, queue.pending - queue.due, processing.jobs, attempts.failed,
    queue.oldest_due_seconds, sessions.active, workers.live, workers.idle
  from (
    select count(*) as pending,
      count(*) filter (where j.available_at <= now()) as due,
      coalesce(extract(epoch from now() - min(greatest(j.available_at, j.created_at))
        filter (where j.available_at <= now())), 0)::double precision as oldest_due_seconds
    from public.coding_jobs as j
    where j.status = 'pending'
  ) as queue
  cross join (
    select count(*) as jobs from public.coding_jobs as j where j.status = 'processing'
  ) as processing
  cross join (
    select count(*) as failed from public.coding_jobs as j
    where j.status = 'failed' and j.completed_at > now() - interval '1 hour'
  ) as attempts
  cross join (
    select count(*) as active from public.coding_sessions as s where s.status = 'active'
  ) as sessions
  cross join (
    select count(*) as live, count(w.idle_since) as idle
    from private.workers as w
    where w.stopped_at is null and w.last_seen_at > now() - interval '1 minute'
  ) as workers
$$;

comment on function private.queue_stats() is
  'The queue in one row: depth by status, age of the oldest due job in seconds, open sessions, workers.';

revoke all on function private.queue_stats() from public, anon, authenticated, service_role;
grant execute on function private.queue_stats() to service_role, mobvibe_worker;
