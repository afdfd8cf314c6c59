select a.job_id, a.attempt, a.worker_id
from private.job_attempts as a
left join private.workers as w on w.id = a.worker_id
where w.id is null
  or a.started_at not between w.started_at and w.last_seen_at
  -- A worker that died did not see the end of its attempts.
  or a.outcome <> 'expired' and a.ended_at > coalesce(w.stopped_at, w.last_seen_at)
