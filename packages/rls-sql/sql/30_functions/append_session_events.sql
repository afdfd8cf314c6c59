-- requires: public.session_events
-- Security definer: a worker writes through fenced functions only.
create or replace function private.append_session_events(
  p_job_id uuid, p_worker_id text, p_attempt integer, p_events jsonb, p_after bigint default null
)
returns bigint
language plpgsql
security definer
set search_path = '', pg_temp
as $$
declare
  -- The session's lock serialises appends: seq has no gap.
  v_session_id uuid := private.hold_session(p_job_id, p_worker_id, p_attempt);
  v_user_id uuid;
  v_last bigint;
  v_count integer := jsonb_array_length(p_events);
begin
  if p_after is not null then
    select s.last_event_seq into v_last from public.coding_sessions as s where s.id = v_session_id;
    -- Nobody but the holder of the lease appends: this batch is there already, and only its answer was lost.
    if v_last = p_after + v_count then
      return v_last;
    elsif v_last <> p_after then
      raise exception 'the session''s last event is %, not %', v_last, p_after using
        errcode = 'invalid_parameter_value',
        hint = 'p_after is what the last append returned, or last_event_seq of the session.';
    end if;
  end if;

  update public.coding_sessions as s
  set last_event_seq = s.last_event_seq + v_count,
      last_activity_at = now(),
      expires_at = now() + (
        select l.session_ttl
        from public.profiles as u
        join private.tier_limits as l on l.tier = u.tier
        where u.id = s.user_id
      )
  where s.id = v_session_id
  returning s.user_id, s.last_event_seq into v_user_id, v_last;

  insert into public.session_events (session_id, user_id, job_id, seq, type, payload)
  select v_session_id, v_user_id, p_job_id, v_last - v_count + e.position,
    (e.event ->> 'type')::public.session_event_type, coalesce(e.event -> 'payload', '{}')
  from jsonb_array_elements(p_events) with ordinality as e (event, position);

  return v_last;
end
$$;

comment on function private.append_session_events(uuid, text, integer, jsonb, bigint) is
  'Appends [{type, payload}, …] to the job''s session in one batch; returns the last seq. With p_after, the last seq before it, a repeated call appends nothing twice. Raises lease_lost (MV001) and changes nothing when the job is no longer held.';

revoke all on function private.append_session_events(uuid, text, integer, jsonb, bigint)
  from public, anon, authenticated, service_role;
grant execute on function private.append_session_events(uuid, text, integer, jsonb, bigint)
  to service_role, mobvibe_worker;
