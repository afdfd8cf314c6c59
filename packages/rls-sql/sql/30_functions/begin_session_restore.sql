-- requires: private.session_archives
-- Security definer: only the owner makes tables, and this one only for a month that the register holds.
create or replace function private.begin_session_restore(p_name text)
returns void
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  perform private.hold_archived_sessions(p_name);
  if to_regclass(format('partitions.%I', p_name)) is not null then
    -- What a restore that was killed left behind.
    execute format('drop table partitions.%I', p_name);
  end if;
  execute format(
    'create table partitions.%I (session_id uuid not null, user_id uuid not null, line text not null)', p_name
  );
  execute format('alter table partitions.%I enable row level security', p_name);
  execute format('revoke all on table partitions.%I from public, anon, authenticated, service_role', p_name);
  execute format('comment on table partitions.%I is %L', p_name, 'Lines of an archive that is being restored.');
end
$$;

comment on function private.begin_session_restore(text) is
  'Makes the table that the lines of an archived month of sessions wait in until private.end_session_restore. Raises MV007 where the month is not archived.';

revoke all on function private.begin_session_restore(text) from public, anon, authenticated, service_role;
grant execute on function private.begin_session_restore(text) to service_role, mobvibe_worker;
