-- requires: private.session_archives
create or replace function private.read_session_lines(
  p_from timestamptz, p_until timestamptz, p_after text default null, p_bytes integer default 1000000
)
returns setof text
language plpgsql
stable
set search_path = '', pg_temp
as $$
declare
  v_no_id constant text := '00000000-0000-0000-0000-000000000000';
  v_session_id uuid := coalesce(p_after::json ->> 'session_id', v_no_id);
  v_id uuid := coalesce(p_after::json ->> 'id', v_no_id);
  v_line text;
  v_bytes bigint := 0;
begin
  -- Each session has a line, and more than one is looked at: what comes back is empty at the end only. The loop stops
  -- reading when it has enough, however large a job is.
  for v_line in
    select private.job_line(next.id)
    from (
      select j.id
      from (
        select s.id, s.user_id
        from public.coding_sessions as s
        where s.id >= v_session_id and s.created_at >= p_from and s.created_at < p_until
          and private.session_can_go(s.id)
        order by s.id
        limit 100
      ) as s
      join public.coding_jobs as j on j.session_id = s.id and j.user_id = s.user_id
      where (j.session_id, j.id) > (v_session_id, v_id)
      order by j.session_id, j.id
    ) as next
  loop
    return next v_line;
    v_bytes := v_bytes + octet_length(v_line);
    exit when v_bytes >= p_bytes;
  end loop;
end
$$;

comment on function private.read_session_lines(timestamptz, timestamptz, text, integer) is
  'The jobs of the sessions of a time range that may be archived, as lines of an archive, by session and id, from after the line p_after on, until they are p_bytes together.';

revoke all on function private.read_session_lines(timestamptz, timestamptz, text, integer)
  from public, anon, authenticated, service_role;
grant execute on function private.read_session_lines(timestamptz, timestamptz, text, integer)
  to service_role, mobvibe_worker;
