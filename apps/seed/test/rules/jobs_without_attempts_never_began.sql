select j.id
from public.coding_jobs as j
where not exists (select from private.job_attempts as a where a.job_id = j.id)
  and (j.attempt > 0 or j.status not in ('pending', 'cancelled'))
