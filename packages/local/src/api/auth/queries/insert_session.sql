with opened as (
  insert into auth.sessions (id, user_id, created_at, updated_at, aal, user_agent, ip)
  values ($1, $2, now(), now(), 'aal1', $3, $4)
  returning id, user_id
),
seen as (
  update auth.users set last_sign_in_at = now(), updated_at = now() where id = $2
),
used as (
  update auth.identities set last_sign_in_at = now(), updated_at = now() where user_id = $2 and provider = 'email'
)
insert into auth.refresh_tokens (instance_id, token, user_id, revoked, parent, session_id, created_at, updated_at)
select '00000000-0000-0000-0000-000000000000', $5, opened.user_id::text, false, null, opened.id, now(), now()
from opened
