-- requires: private.event_archives.parts
create or replace function private.hold_archived_month(p_partition text)
returns private.event_archives
language plpgsql
set search_path = '', pg_temp
as $$
declare
  v_archive private.event_archives;
begin
  select a.* into v_archive
  from private.event_archives as a
  where a.partition_name = p_partition and a.dropped_at is not null and a.restored_at is null
  for update;
  if not found then
    raise exception '% is not archived', p_partition using
      errcode = 'MV007',
      hint = 'private.list_event_months() says which months are.';
  end if;
  return v_archive;
end
$$;

comment on function private.hold_archived_month(text) is
  'Locks and returns the register''s row of a month that is archived and gone from here. Raises MV007 where it is not.';

revoke all on function private.hold_archived_month(text) from public, anon, authenticated, service_role;
