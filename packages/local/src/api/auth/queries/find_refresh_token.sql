-- $2: for how many seconds after its use a token may be used again.
select
  t.token,
  t.revoked,
  t.updated_at + make_interval(secs => $2) >= clock_timestamp() as reusable,
  (
    select a.token
    from auth.refresh_tokens as a
    where a.session_id = t.session_id and a.parent = t.token and not a.revoked
    order by a.id desc
    limit 1
  ) as active_child
from auth.refresh_tokens as t
where t.token = $1
