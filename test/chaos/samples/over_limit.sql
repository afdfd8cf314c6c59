-- No user has more processing jobs than the tier allows.
select j.user_id as subject, count(*) || ' processing, ' || l.max_concurrent_jobs || ' allowed' as detail
from public.coding_jobs as j
join public.profiles as u on u.id = j.user_id
join private.tier_limits as l on l.tier = u.tier
where j.status = 'processing'
group by j.user_id, l.max_concurrent_jobs
having count(*) > l.max_concurrent_jobs;
