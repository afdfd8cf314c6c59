select j.*
from public.coding_jobs as j
where not case j.status
    when 'pending' then result is null and lease_expires_at is null and completed_at is null
    when 'processing' then
      attempt > 0 and claimed_at is not null and worker_id is not null and error_code is null and result is null
      and lease_expires_at > current_setting('test.now')::timestamptz
    when 'completed' then
      attempt > 0 and claimed_at is not null and worker_id is not null and error_code is null and result is not null
      and completed_at > claimed_at
    when 'failed' then
      attempt > 0 and claimed_at is not null and error_code is not null and error_message is not null
      and result is null and completed_at > claimed_at
    when 'cancelled' then
      cancel_requested_at is not null and result is null and completed_at >= cancel_requested_at
  end
  or attempt > max_attempts
  or available_at < created_at
  or claimed_at < created_at
  or (claimed_at is null) <> (worker_id is null)
  or (error_code is null) <> (error_message is null)
  or status not in ('cancelled', 'processing') and cancel_requested_at is not null
