-- requires: public.session_events
create or replace function public.events_since(p_session_id uuid, p_seq bigint default 0, p_limit integer default 500)
returns table (
  seq bigint, type public.session_event_type, payload jsonb, job_id uuid, created_at timestamptz
)
language sql
stable
security invoker
set search_path = '', pg_temp
as $$
  select e.seq, e.type, e.payload, e.job_id, e.created_at
  from public.session_events as e
  where e.session_id = p_session_id and e.seq > p_seq
  order by e.seq
  limit least(greatest(p_limit, 1), 1000)
$$;

comment on function public.events_since(uuid, bigint, integer) is
  'The events of a session after a seq, in order, at most 1,000: fills the gap after a reconnect. The caller''s policies decide.';

revoke all on function public.events_since(uuid, bigint, integer) from public, anon, authenticated, service_role;
grant execute on function public.events_since(uuid, bigint, integer) to authenticated, service_role;
