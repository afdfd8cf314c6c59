-- requires: private.event_archives.parts
-- Security definer: only the owner alters partitions.
create or replace function private.clear_event_restore(p_partition text)
returns bigint
language plpgsql
security definer
set search_path = '', pg_temp
set lock_timeout = '100ms'
as $$
declare
  v_cleared bigint;
begin
  perform private.hold_archived_month(p_partition);
  execute format(
    $sql$
      delete from partitions.%I as e
      where not exists (select from public.coding_sessions as s where s.id = e.session_id and s.user_id = e.user_id)
        or not exists (select from public.coding_jobs as j where j.id = e.job_id and j.user_id = e.user_id)
    $sql$,
    p_partition
  );
  get diagnostics v_cleared = row_count;
  -- Reads all rows, and keeps nobody from anything; attaching then need not.
  execute format(
    $sql$
      alter table partitions.%I
        validate constraint session_events_session_id_user_id_fkey,
        validate constraint session_events_job_id_user_id_fkey
    $sql$,
    p_partition
  );
  return v_cleared;
end
$$;

comment on function private.clear_event_restore(text) is
  'Takes out of a checked restore what belongs to sessions or jobs that were deleted since; returns how many events.';

revoke all on function private.clear_event_restore(text) from public, anon, authenticated, service_role;
grant execute on function private.clear_event_restore(text) to service_role, mobvibe_worker;
