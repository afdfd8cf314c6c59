select u.id
from public.profiles as u
join private.tier_limits as l on l.tier = u.tier
left join lateral (
  select count(*) filter (where j.status = 'processing') as running, max(j.priority) as priority
  from public.coding_jobs as j
  where j.user_id = u.id
) as jobs on true
left join lateral (
  select count(*) as active from public.coding_sessions as s where s.user_id = u.id and s.status in ('pending', 'active')
) as sessions on true
where jobs.running > l.max_concurrent_jobs
  or jobs.priority > l.max_priority
  or sessions.active > l.max_active_sessions
  or u.jobs_used > l.jobs_per_period
