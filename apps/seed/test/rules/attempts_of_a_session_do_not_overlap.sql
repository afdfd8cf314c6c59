select one.job_id, other.job_id
from private.job_attempts as one
join public.coding_jobs as j on j.id = one.job_id
join public.coding_jobs as k on k.session_id = j.session_id
join private.job_attempts as other on other.job_id = k.id
where (one.job_id, one.attempt) < (other.job_id, other.attempt)
  and tstzrange(one.started_at, one.ended_at) && tstzrange(other.started_at, other.ended_at)
