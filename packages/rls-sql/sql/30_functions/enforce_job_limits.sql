-- requires: public.coding_jobs
-- Security definer: the limits are not for users to read, nor the counters for them to write.
create or replace function private.enforce_job_limits()
returns trigger
language plpgsql
security definer
set search_path = '', pg_temp
as $$
declare
  v_month timestamptz := date_trunc('month', now(), 'UTC');
  v_over record;
begin
  -- Locks in the order profile, project, session, job, and of ids, as everywhere.
  with locked as materialized (
    select u.id, m.jobs, m.priority
    from (
      select e.user_id, count(*) as jobs, max(e.priority) as priority
      from enqueued as e
      where e.status = 'pending'
      group by e.user_id
    ) as m
    join public.profiles as u on u.id = m.user_id
    order by u.id
    for no key update of u
  ),
  counted as (
    update public.profiles as u
    set jobs_used = case when u.usage_period_start < v_month then 0 else u.jobs_used end + o.jobs,
        tokens_used = case when u.usage_period_start < v_month then 0 else u.tokens_used end,
        usage_period_start = greatest(u.usage_period_start, v_month),
        updated_at = now()
    from locked as o
    where u.id = o.id
    returning u.tier, u.jobs_used, o.priority
  )
  select c.tier, l.jobs_per_period, l.max_priority, c.jobs_used > l.jobs_per_period as too_many into v_over
  from counted as c
  join private.tier_limits as l on l.tier = c.tier
  where c.jobs_used > l.jobs_per_period or c.priority > l.max_priority
  limit 1;
  if v_over.too_many then
    raise exception 'the tier % allows % jobs a month', v_over.tier, v_over.jobs_per_period using
      errcode = 'MV004',
      hint = 'Wait for the next month, or change the tier.';
  elsif found then
    raise exception 'the tier % allows priorities up to %', v_over.tier, v_over.max_priority using
      errcode = 'MV005',
      hint = 'Lower the priority, or change the tier.';
  end if;

  -- Shared: the session cannot end before this transaction does, so its end sees the job.
  with locked as materialized (
    select s.status, s.deleted_at from public.coding_sessions as s
    where s.id in (select e.session_id from enqueued as e where e.status = 'pending')
    order by s.id
    for share
  )
  select into v_over from locked as l where l.status not in ('pending', 'active') or l.deleted_at is not null limit 1;
  if found then
    raise exception 'the session has ended' using
      errcode = 'MV006',
      hint = 'Open a new session in the project.';
  end if;
  return null;
end
$$;

comment on function private.enforce_job_limits() is
  'Trigger: counts new jobs and raises job_limit (MV004), priority_limit (MV005) or session_ended (MV006).';

revoke all on function private.enforce_job_limits() from public, anon, authenticated, service_role;
