-- requires: private.event_archives.parts, public.coding_sessions.archived_at
-- Security definer: only the owner alters partitions.
create or replace function private.check_event_restore(p_partition text)
returns void
language plpgsql
security definer
set search_path = '', pg_temp
set lock_timeout = '100ms'
as $$
declare
  v_archive private.event_archives := private.hold_archived_month(p_partition);
  v_archived text;
begin
  -- Their jobs are not here, and yet nobody deleted them.
  execute format(
    $sql$
      select 'coding_sessions_' || to_char(min(s.created_at) at time zone 'UTC', 'YYYY_MM')
      from public.coding_sessions as s
      where s.archived_at is not null
        and exists (select from partitions.%I as e where e.session_id = s.id and e.user_id = s.user_id)
    $sql$,
    p_partition
  ) into v_archived;
  if v_archived is not null then
    raise exception '% holds events of sessions that are archived', p_partition using
      errcode = 'MV007',
      hint = format('Restore %s first, then this month again.', v_archived);
  end if;
  perform from private.sum_events(p_partition) as s
  where s.row_count = v_archive.row_count and s.row_checksum = v_archive.row_checksum;
  if not found then
    raise exception 'what was restored of % is not what was archived', p_partition using
      errcode = 'MV008',
      hint = 'Begin again with private.begin_event_restore.';
  end if;
  -- Last, for the lock on the tables that are referred to; from here on, who deletes a session deletes here as well.
  execute format(
    $sql$
      alter table partitions.%I
        add constraint session_events_session_id_user_id_fkey foreign key (session_id, user_id)
          references public.coding_sessions (id, user_id) on delete cascade not valid,
        add constraint session_events_job_id_user_id_fkey foreign key (job_id, user_id)
          references public.coding_jobs (id, user_id) on delete cascade not valid
    $sql$,
    p_partition
  );
end
$$;

comment on function private.check_event_restore(text) is
  'Holds the restored rows against the register, and binds them to their sessions and jobs. Raises MV008 where they are not what was archived, MV007 where their sessions are archived.';

revoke all on function private.check_event_restore(text) from public, anon, authenticated, service_role;
grant execute on function private.check_event_restore(text) to service_role, mobvibe_worker;
