-- requires: private.event_archives.parts
-- Security definer: nobody else writes partitions. What is written here is seen by nobody before
-- private.check_event_restore has found it to be exactly what was archived.
create or replace function private.restore_event_lines(p_partition text, p_lines text[])
returns void
language plpgsql
security definer
set search_path = '', pg_temp
set lock_timeout = '100ms'
as $$
begin
  perform private.hold_archived_month(p_partition);
  if exists (
    select from pg_catalog.pg_constraint as k
    where k.conrelid = to_regclass(format('partitions.%I', p_partition)) and k.contype = 'f'
  ) then
    raise exception 'the restored rows of % are checked already', p_partition using
      errcode = 'MV007',
      hint = 'Begin again with private.begin_event_restore.';
  end if;
  execute format(
    $sql$
      insert into partitions.%I (session_id, user_id, seq, created_at, job_id, type, payload)
      select e.session_id, e.user_id, e.seq, e.created_at, e.job_id, e.type, e.payload
      from unnest($1) as line (text)
      cross join lateral json_populate_record(null::public.session_events, line.text::json) as e
    $sql$,
    p_partition
  ) using p_lines;
end
$$;

comment on function private.restore_event_lines(text, text[]) is
  'Puts lines of an archive into the table that private.begin_event_restore made.';

revoke all on function private.restore_event_lines(text, text[]) from public, anon, authenticated, service_role;
grant execute on function private.restore_event_lines(text, text[]) to service_role, mobvibe_worker;
