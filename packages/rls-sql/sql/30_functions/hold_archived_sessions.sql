-- requires: private.session_archives
create or replace function private.hold_archived_sessions(p_name text)
returns private.session_archives
language plpgsql
set search_path = '', pg_temp
as $$
declare
  v_archive private.session_archives;
begin
  select a.* into v_archive
  from private.session_archives as a
  where a.name = p_name and a.dropped_at is not null and a.restored_at is null
  for update;
  if not found then
    raise exception '% is not archived', p_name using
      errcode = 'MV007',
      hint = 'private.list_session_months() says which months are.';
  end if;
  return v_archive;
end
$$;

comment on function private.hold_archived_sessions(text) is
  'Locks and returns the register''s row of a month of sessions that is archived and gone from here. Raises MV007 where it is not.';

revoke all on function private.hold_archived_sessions(text) from public, anon, authenticated, service_role;
