-- requires: private.event_archives.parts
-- Security definer: only the owner attaches partitions.
create or replace function private.end_event_restore(p_partition text)
returns void
language plpgsql
security definer
set search_path = '', pg_temp
-- The longest that a writer can wait behind this.
set lock_timeout = '100ms'
as $$
declare
  v_archive private.event_archives := private.hold_archived_month(p_partition);
begin
  -- Only private.check_event_restore makes them, and only of what it found to be right.
  if (
    select count(*) from pg_catalog.pg_constraint as k
    where k.conrelid = to_regclass(format('partitions.%I', p_partition)) and k.contype = 'f' and k.convalidated
  ) <> 2 then
    raise exception 'the restored rows of % were not checked', p_partition using
      errcode = 'MV007',
      hint = 'private.check_event_restore, then private.clear_event_restore.';
  end if;
  perform private.attach_event_partition(v_archive.range_start at time zone 'UTC');
  update private.event_archives as a set restored_at = now() where a.id = v_archive.id;
end
$$;

comment on function private.end_event_restore(text) is
  'Attaches a month that was restored and checked. Raises MV007 where it was not, 55P03 where others keep the tables busy.';

revoke all on function private.end_event_restore(text) from public, anon, authenticated, service_role;
grant execute on function private.end_event_restore(text) to service_role, mobvibe_worker;
