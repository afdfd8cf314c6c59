-- requires: public.coding_jobs
-- Security definer: the limits are not for users to read, nor the counters for them to write.
create or replace function private.enforce_job_limits()
returns trigger
language plpgsql
security definer
set search_path = '', pg_temp
as $$
declare
  v_over record;
begin
  -- Locks in the order profile, session, job, as everywhere.
  perform from public.profiles as u
  where u.id in (select e.user_id from enqueued as e where e.status = 'pending')
  order by u.id
  for no key update;

  update public.profiles as u
  set jobs_used = case when p.is_new then 0 else u.jobs_used end + e.jobs,
      tokens_used = case when p.is_new then 0 else u.tokens_used end,
      usage_period_start = case when p.is_new then date_trunc('month', now(), 'UTC') else u.usage_period_start end
  from (
    select user_id, count(*) as jobs from enqueued where status = 'pending' group by user_id
  ) as e
  cross join lateral (
    select o.usage_period_start < date_trunc('month', now(), 'UTC') as is_new
    from public.profiles as o where o.id = e.user_id
  ) as p
  where u.id = e.user_id;

  select u.tier, l.jobs_per_period into v_over
  from public.profiles as u
  join private.tier_limits as l on l.tier = u.tier
  where u.id in (select e.user_id from enqueued as e where e.status = 'pending')
    and u.jobs_used > l.jobs_per_period
  limit 1;
  if found then
    raise exception 'the tier % allows % jobs a month', v_over.tier, v_over.jobs_per_period using
      errcode = 'MV004',
      hint = 'Wait for the next month, or change the tier.';
  end if;

  select u.tier, l.max_priority into v_over
  from enqueued as e
  join public.profiles as u on u.id = e.user_id
  join private.tier_limits as l on l.tier = u.tier
  where e.status = 'pending' and e.priority > l.max_priority
  limit 1;
  if found then
    raise exception 'the tier % allows priorities up to %', v_over.tier, v_over.max_priority using
      errcode = 'MV005',
      hint = 'Lower the priority, or change the tier.';
  end if;

  -- Shared: the session cannot end before this transaction does, so its end sees the job.
  perform from public.coding_sessions as s
  where s.id in (select e.session_id from enqueued as e where e.status = 'pending')
  order by s.id
  for share;
  perform from public.coding_sessions as s
  where s.id in (select e.session_id from enqueued as e where e.status = 'pending')
    and (s.status not in ('pending', 'active') or s.deleted_at is not null);
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
