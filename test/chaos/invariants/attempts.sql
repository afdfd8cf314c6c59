-- Each attempt that counts is on record, once, and none is open; a job that failed says why.
select j.id as subject,
  j.status || ' (' || coalesce(j.error_code, 'no code') || ') at attempt ' || j.attempt || ' of ' || j.max_attempts ||
    ', on record: ' || coalesce(string_agg(a.attempt || ' ' || coalesce(a.outcome::text, 'open'), ', '), 'none') as detail
from public.coding_jobs as j
left join private.job_attempts as a on a.job_id = j.id
group by j.id
having count(a.attempt) filter (where a.attempt <= j.attempt and a.outcome <> 'released') <> j.attempt
  or j.attempt > j.max_attempts
  or bool_or(a.outcome is null) filter (where a.job_id is not null)
  or bool_or(a.attempt > j.attempt and a.outcome <> 'released')
  or j.status = 'failed' and j.error_code is null
  or j.completed_at is null;
