-- requires: public.coding_sessions
-- Security definer: the limits are not for users to read, nor the profile for them to touch.
create or replace function private.enforce_session_limit()
returns trigger
language plpgsql
security definer
set search_path = '', pg_temp
as $$
declare
  v_over record;
begin
  -- An update, not only a lock: under a stricter isolation than read committed it makes the second of two
  -- transactions fail, which could not see the sessions of the first.
  perform from public.profiles as u
  where u.id in (select o.user_id from opened as o where o.status in ('pending', 'active'))
  order by u.id
  for no key update;
  update public.profiles as u set updated_at = now()
  where u.id in (select o.user_id from opened as o where o.status in ('pending', 'active'));

  select u.id, u.tier, l.max_active_sessions into v_over
  from public.profiles as u
  join private.tier_limits as l on l.tier = u.tier
  where u.id in (select o.user_id from opened as o where o.status in ('pending', 'active'))
    and l.max_active_sessions < (
      select count(*) from public.coding_sessions as s
      where s.user_id = u.id and s.status in ('pending', 'active')
    )
  limit 1;
  if found then
    raise exception 'the tier % allows % open sessions', v_over.tier, v_over.max_active_sessions using
      errcode = 'MV003',
      hint = 'End a session first, or change the tier.';
  end if;
  return null;
end
$$;

comment on function private.enforce_session_limit() is
  'Trigger: raises session_limit (MV003) when a user would have more open sessions than the tier allows.';

revoke all on function private.enforce_session_limit() from public, anon, authenticated, service_role;
