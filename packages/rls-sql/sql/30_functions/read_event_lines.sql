-- requires: public.session_events
create or replace function private.read_event_lines(
  p_from timestamptz, p_until timestamptz, p_after text default null, p_bytes integer default 1000000
)
returns setof text
language plpgsql
stable
set search_path = '', pg_temp
as $$
declare
  v_after json := coalesce(p_after, json_build_object(
    'session_id', '00000000-0000-0000-0000-000000000000', 'user_id', '00000000-0000-0000-0000-000000000000',
    'seq', 0, 'created_at', '-infinity'
  )::text);
  v_line text;
  v_bytes bigint := 0;
begin
  -- The loop stops reading when it has enough, however large an event is.
  for v_line in
    select private.event_line(e.session_id, e.user_id, e.seq, e.created_at, e.job_id, e.type, e.payload)
    from public.session_events as e
    where e.created_at >= p_from and e.created_at < p_until
      and (e.session_id, e.user_id, e.seq, e.created_at) > (
        (v_after ->> 'session_id')::uuid, (v_after ->> 'user_id')::uuid, (v_after ->> 'seq')::bigint,
        (v_after ->> 'created_at')::timestamptz
      )
    order by e.session_id, e.user_id, e.seq, e.created_at
  loop
    return next v_line;
    v_bytes := v_bytes + octet_length(v_line);
    exit when v_bytes >= p_bytes;
  end loop;
end
$$;

comment on function private.read_event_lines(timestamptz, timestamptz, text, integer) is
  'The events of a time range as lines of an archive, by primary key, from after the line p_after on, until they are p_bytes together.';

revoke all on function private.read_event_lines(timestamptz, timestamptz, text, integer)
  from public, anon, authenticated, service_role;
grant execute on function private.read_event_lines(timestamptz, timestamptz, text, integer)
  to service_role, mobvibe_worker;
