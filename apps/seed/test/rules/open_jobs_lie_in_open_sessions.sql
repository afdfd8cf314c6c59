select j.id
from public.coding_jobs as j
join public.coding_sessions as s on s.id = j.session_id
where j.status in ('pending', 'processing') and (s.status not in ('pending', 'active') or s.deleted_at is not null)
  or j.status = 'processing' and s.status <> 'active'
  or j.created_at < s.created_at
  or j.created_at > s.ended_at
