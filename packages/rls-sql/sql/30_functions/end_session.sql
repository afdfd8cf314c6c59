-- requires: public.coding_sessions
create or replace function private.end_session()
returns trigger
language plpgsql
set search_path = '', pg_temp
as $$
begin
  -- Deleting an open session cancels it.
  if new.deleted_at is not null and new.status in ('pending', 'active') then
    new.status := 'cancelled';
  end if;
  if new.status not in ('pending', 'active') then
    new.ended_at := coalesce(new.ended_at, now());
  end if;
  return new;
end
$$;

comment on function private.end_session() is 'Trigger: stamps the end of a session, and cancels an open one that is deleted.';

revoke all on function private.end_session() from public, anon, authenticated, service_role;
