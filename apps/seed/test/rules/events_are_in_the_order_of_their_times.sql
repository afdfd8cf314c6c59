select *
from (
  select session_id, seq, created_at,
    lag(created_at) over (partition by session_id order by seq) as previous
  from public.session_events
) as e
where created_at <= previous
