-- The session is locked first, so that two refreshes of it come one after the other.
select s.id, s.user_id, s.created_at, s.not_after < now() as expired
from auth.sessions as s
where s.id = (select t.session_id from auth.refresh_tokens as t where t.token = $1)
for update
