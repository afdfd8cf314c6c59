with used as (
  update auth.refresh_tokens set revoked = true, updated_at = now() where token = $1
  returning user_id, session_id
),
refreshed as (
  update auth.sessions set refreshed_at = now() at time zone 'utc', updated_at = now()
  where id = (select session_id from used)
)
insert into auth.refresh_tokens (instance_id, token, user_id, revoked, parent, session_id, created_at, updated_at)
select '00000000-0000-0000-0000-000000000000', $2, used.user_id, false, $1, used.session_id, now(), now()
from used
