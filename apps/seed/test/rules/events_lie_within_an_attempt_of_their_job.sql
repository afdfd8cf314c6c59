select e.session_id, e.seq
from public.session_events as e
join public.coding_jobs as j on j.id = e.job_id
where j.session_id <> e.session_id
  or not exists (
    select from private.job_attempts as a
    where a.job_id = j.id and e.created_at between a.started_at and a.ended_at
  )
  and not (j.status = 'processing' and e.created_at between j.claimed_at and current_setting('test.now')::timestamptz)
