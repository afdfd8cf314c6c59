select j.id
from public.coding_jobs as j
where not exists (select from private.job_attempts as a where a.job_id = j.id)
  -- Of an attempt that still runs the job itself is the record.
  and (j.attempt > 1 or (j.attempt > 0 or j.status not in ('pending', 'cancelled')) and j.status <> 'processing')
