select s.*
from public.coding_sessions as s
where not case s.status
    when 'pending' then started_at is null and ended_at is null and last_event_seq = 0
    when 'active' then
      started_at is not null and ended_at is null and expires_at > current_setting('test.now')::timestamptz
    when 'cancelled' then ended_at is not null
    when 'expired' then ended_at >= expires_at
    else started_at is not null and ended_at is not null
  end
  or started_at < created_at
  or last_activity_at < coalesce(started_at, created_at)
  or ended_at < last_activity_at
  or deleted_at < coalesce(ended_at, created_at)
  or (started_at is null) <> (sandbox_id is null)
  or (started_at is null) <> (storage_prefix is null)
  or storage_prefix <> format('%s/%s/%s/', user_id, project_id, id)
