-- requires: private.event_archives.parts
-- Security definer: only the owner makes partitions, and this one only for a month that the register holds.
create or replace function private.begin_event_restore(p_partition text)
returns void
language plpgsql
security definer
set search_path = '', pg_temp
set lock_timeout = '100ms'
as $$
declare
  v_archive private.event_archives := private.hold_archived_month(p_partition);
begin
  if exists (
    select from pg_catalog.pg_inherits as i where i.inhrelid = to_regclass(format('partitions.%I', p_partition))
  ) then
    raise exception '% is archived, and yet it is here', p_partition using
      errcode = 'MV007',
      hint = 'Move what it holds elsewhere, and drop it.';
  end if;
  if to_regclass(format('partitions.%I', p_partition)) is not null then
    -- What a restore that was killed left behind.
    execute format('drop table partitions.%I', p_partition);
  end if;
  perform private.make_event_partition(v_archive.range_start at time zone 'UTC');
end
$$;

comment on function private.begin_event_restore(text) is
  'Makes the table that an archived month is restored into; nobody sees it until private.end_event_restore. Raises MV007 where the month is not archived.';

revoke all on function private.begin_event_restore(text) from public, anon, authenticated, service_role;
grant execute on function private.begin_event_restore(text) to service_role, mobvibe_worker;
