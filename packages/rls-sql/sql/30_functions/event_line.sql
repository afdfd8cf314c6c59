-- requires: public.session_events
-- Nothing in it depends on a setting of the session: the same row is the same line for everybody and for ever.
create or replace function private.event_line(
  p_session_id uuid, p_user_id uuid, p_seq bigint, p_created_at timestamptz, p_job_id uuid,
  p_type public.session_event_type, p_payload jsonb
)
returns text
language sql
stable
parallel safe
set search_path = '', pg_temp
as $$
  select json_build_object(
    'session_id', p_session_id, 'user_id', p_user_id, 'seq', p_seq,
    'created_at', to_char(p_created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'job_id', p_job_id, 'type', p_type, 'payload', p_payload
  )::text
$$;

comment on function private.event_line(uuid, uuid, bigint, timestamptz, uuid, public.session_event_type, jsonb) is
  'An event as the line of JSON that an archive holds of it.';

revoke all on function private.event_line(uuid, uuid, bigint, timestamptz, uuid, public.session_event_type, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function private.event_line(uuid, uuid, bigint, timestamptz, uuid, public.session_event_type, jsonb)
  to service_role, mobvibe_worker;
