-- requires: private.event_archives.parts
-- Security definer: only the owner drops a partition, and this one only what the register holds.
-- DETACH … CONCURRENTLY is refused where there is a default partition. Dropping the partition takes the lock that a
-- plain DETACH takes, but leaves coding_sessions and coding_jobs alone, and is one step instead of two.
create or replace function private.drop_archived_events(p_partition text, p_checksum text)
returns boolean
language plpgsql
security definer
set search_path = '', pg_temp
-- The longest that a writer can wait behind this.
set lock_timeout = '100ms'
as $$
declare
  v_archive private.event_archives;
begin
  select a.* into v_archive from private.event_archives as a where a.partition_name = p_partition for update;
  if v_archive.dropped_at is not null and v_archive.restored_at is null then
    return true;
  elsif v_archive.id is null or v_archive.restored_at is not null or v_archive.checksum <> p_checksum then
    raise exception 'there is no such archive of %', p_partition using
      errcode = 'MV007',
      hint = 'Store the month, read it back, and enter it with private.record_event_archive.';
  elsif v_archive.range_end
    > (date_trunc('month', now() at time zone 'UTC') - interval '1 month') at time zone 'UTC'
  then
    raise exception '% is too young to be dropped', p_partition using
      errcode = 'MV007',
      hint = 'This month and the last one stay.';
  end if;

  -- Keeps writers from this partition only, and nobody appends to a month that is over.
  execute format('lock table partitions.%I in share mode', p_partition);
  perform from private.sum_events(p_partition) as s
  where s.row_count = v_archive.row_count and s.row_checksum = v_archive.row_checksum;
  if not found then
    delete from private.event_archives as a where a.id = v_archive.id;
    return false;
  end if;

  -- Whoever reads or appends needs the parent for milliseconds: between two tries they all get on.
  for v_try in 1 .. 50 loop
    begin
      execute format('drop table partitions.%I', p_partition);
      exit;
    exception
      when lock_not_available then
        if v_try = 50 then
          raise;
        end if;
        perform pg_sleep(0.05 + random() / 10);
    end;
  end loop;
  update private.event_archives as a set dropped_at = now() where a.id = v_archive.id;
  return true;
end
$$;

comment on function private.drop_archived_events(text, text) is
  'Drops a month whose archive with this checksum is in the register; true when it is gone. Counts and sums it under a lock first: false, and the archive forgotten, where it is not what was archived. Raises MV007 where no archive allows it, 55P03 where others keep the table busy.';

revoke all on function private.drop_archived_events(text, text) from public, anon, authenticated, service_role;
grant execute on function private.drop_archived_events(text, text) to service_role, mobvibe_worker;
