-- requires: private.session_archives
-- Security definer: nobody else writes there. What is written is no job before private.end_session_restore has found
-- it to be exactly what was archived.
create or replace function private.restore_session_lines(p_name text, p_lines text[])
returns void
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  perform private.hold_archived_sessions(p_name);
  execute format(
    $sql$
      insert into partitions.%I (session_id, user_id, line)
      select (line.text::json ->> 'session_id')::uuid, (line.text::json ->> 'user_id')::uuid, line.text
      from unnest($1) as line (text)
    $sql$,
    p_name
  ) using p_lines;
end
$$;

comment on function private.restore_session_lines(text, text[]) is
  'Puts lines of an archive into the table that private.begin_session_restore made.';

revoke all on function private.restore_session_lines(text, text[]) from public, anon, authenticated, service_role;
grant execute on function private.restore_session_lines(text, text[]) to service_role, mobvibe_worker;
