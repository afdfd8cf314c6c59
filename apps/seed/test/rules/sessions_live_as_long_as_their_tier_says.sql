select s.id, s.expires_at
from public.coding_sessions as s
join public.profiles as u on u.id = s.user_id
join private.tier_limits as l on l.tier = u.tier
where s.expires_at is distinct from
  case when s.started_at is not null then s.last_activity_at + l.session_ttl end
