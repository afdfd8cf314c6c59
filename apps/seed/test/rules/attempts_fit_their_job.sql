with numbered as (
  select a.*, j.status, j.attempt as job_attempt, j.max_attempts, j.claimed_at, j.worker_id as job_worker_id,
    j.available_at, j.created_at as job_created_at, j.completed_at,
    row_number() over in_order as position,
    a.attempt = max(a.attempt) over (partition by a.job_id) as is_last,
    lag(a.ended_at) over in_order as previous_end
  from private.job_attempts as a
  join public.coding_jobs as j on j.id = a.job_id
  window in_order as (partition by a.job_id order by a.attempt)
)
select job_id, attempt
from numbered
where position <> attempt
  or started_at < coalesce(previous_end, job_created_at)
  or ended_at <= started_at
  -- A release gives its attempt back, and can only be the last: the next claim takes its number.
  or job_attempt <> case
    when is_last and status = 'processing' then attempt + 1
    when is_last and outcome = 'released' then attempt - 1
    when is_last then attempt
    else job_attempt
  end
  or not is_last and outcome not in ('retried', 'expired')
  or is_last and outcome::text not in (
    select unnest(
      case status
        when 'pending' then array['retried', 'expired', 'released']
        when 'processing' then array['retried', 'expired', 'released']
        else array[status::text]
      end
    )
  )
  or is_last and status <> 'processing' and outcome <> 'released' and (started_at <> claimed_at or worker_id <> job_worker_id)
  or is_last and status <> 'processing' and outcome = 'released' and (claimed_at is not null or job_worker_id is not null)
  or is_last and status in ('completed', 'failed', 'cancelled') and completed_at <> ended_at
  -- The backoff of private.retry_delay, whose upper half is jitter.
  or is_last and status <> 'processing' and outcome in ('retried', 'expired') and (
    attempt >= max_attempts
    or available_at - ended_at not between
      least(2 ^ attempt, 300) * interval '0.5 second' and least(2 ^ attempt, 300) * interval '1 second'
  )
  or (error_code is not null) <> (outcome not in ('completed', 'released'))
