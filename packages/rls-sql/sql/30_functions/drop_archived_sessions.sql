-- requires: private.session_archives, private.event_archives.parts
-- Security definer: a worker may not delete jobs, and this deletes only what the register holds.
create or replace function private.drop_archived_sessions(p_name text, p_checksum text)
returns boolean
language plpgsql
security definer
set search_path = '', pg_temp
-- Whoever holds a session that is over is soon done; those that are locked already wait no longer for it.
set lock_timeout = '1s'
as $$
declare
  v_archive private.session_archives;
  v_restoring text;
  v_ids uuid[];
begin
  select a.* into v_archive from private.session_archives as a where a.name = p_name for update;
  if v_archive.dropped_at is not null and v_archive.restored_at is null then
    return true;
  elsif v_archive.id is null or v_archive.restored_at is not null or v_archive.checksum <> p_checksum then
    raise exception 'there is no such archive of %', p_name using
      errcode = 'MV007',
      hint = 'Store the month, read it back, and enter it with private.record_session_archive.';
  elsif v_archive.range_end
    > (date_trunc('month', now() at time zone 'UTC') - interval '1 month') at time zone 'UTC'
  then
    raise exception '% is too young to be dropped', p_name using
      errcode = 'MV007',
      hint = 'This month and the last one stay.';
  end if;

  -- Events that are being brought back are in no session's sight yet, and would go with their jobs all the same. Held,
  -- so that none begins to be bound to them.
  perform from private.event_archives as a
  where a.dropped_at is not null and a.restored_at is null
  order by a.id
  for share;
  select a.partition_name into v_restoring
  from private.event_archives as a
  join pg_catalog.pg_constraint as k on k.conrelid = to_regclass(format('partitions.%I', a.partition_name))
  where a.dropped_at is not null and a.restored_at is null and k.contype = 'f'
  limit 1;
  if found then
    raise exception '% is being restored', v_restoring using
      errcode = 'MV007',
      hint = 'Restore it to the end, then run this again.';
  end if;

  -- Locks in the order profile, project, session, job, and of ids, as everywhere.
  v_ids := array(
    select s.id
    from public.coding_sessions as s
    where s.created_at >= v_archive.range_start and s.created_at < v_archive.range_end
      and private.session_can_go(s.id)
  );
  perform from public.coding_sessions as s where s.id = any (v_ids) order by s.id for update;
  perform from public.coding_jobs as j where j.session_id = any (v_ids) order by j.id for update;
  -- Once more, now that it stays so.
  v_ids := array(select s.id from unnest(v_ids) as s (id) where private.session_can_go(s.id));
  perform from (
    select count(*) as row_count, coalesce(sum(private.line_checksum(private.job_line(j.id))), 0)::text as row_checksum
    from public.coding_jobs as j
    where j.session_id = any (v_ids)
  ) as s
  where s.row_count = v_archive.row_count and s.row_checksum = v_archive.row_checksum;
  if not found then
    delete from private.session_archives as a where a.id = v_archive.id;
    return false;
  end if;

  delete from public.coding_jobs as j where j.session_id = any (v_ids);
  update public.coding_sessions as s set archived_at = now() where s.id = any (v_ids);
  if v_archive.row_count = 0 then
    -- An archive of nothing would keep away what may be archived later.
    delete from private.session_archives as a where a.id = v_archive.id;
  else
    update private.session_archives as a set dropped_at = now() where a.id = v_archive.id;
  end if;
  return true;
end
$$;

comment on function private.drop_archived_sessions(text, text) is
  'Deletes the jobs and attempts of a month of sessions whose archive with this checksum is in the register, and stamps archived_at on those sessions; true when they are gone. Counts and sums them under locks first: false, and the archive forgotten, where they are not what was archived. Raises MV007 where no archive allows it or events are being restored, 55P03 where others keep a session busy.';

revoke all on function private.drop_archived_sessions(text, text) from public, anon, authenticated, service_role;
grant execute on function private.drop_archived_sessions(text, text) to service_role, mobvibe_worker;
