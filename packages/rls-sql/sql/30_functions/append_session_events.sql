-- requires: public.session_events
-- Security definer: a worker writes through fenced functions only.
create or replace function private.append_session_events(
  p_job_id uuid, p_worker_id text, p_attempt integer, p_events jsonb
)
returns bigint
language plpgsql
security definer
set search_path = '', pg_temp
as $$
declare
  v_session_id uuid;
  v_user_id uuid;
  v_last bigint;
  v_count integer := jsonb_array_length(p_events);
begin
  -- Locks in the order profile, session, job, as everywhere. The session's serialises appends: seq has no gap.
  perform from public.coding_sessions as s
  where s.id = (select j.session_id from public.coding_jobs as j where j.id = p_job_id)
  for no key update;
  perform private.assert_leases(p_worker_id, array[p_job_id], array[p_attempt]);

  update public.coding_sessions as s
  set last_event_seq = s.last_event_seq + v_count,
      last_activity_at = now(),
      expires_at = now() + (
        select l.session_ttl
        from public.profiles as u
        join private.tier_limits as l on l.tier = u.tier
        where u.id = s.user_id
      )
  from public.coding_jobs as j
  where j.id = p_job_id and s.id = j.session_id
  returning s.id, s.user_id, s.last_event_seq into v_session_id, v_user_id, v_last;

  insert into public.session_events (session_id, user_id, job_id, seq, type, payload)
  select v_session_id, v_user_id, p_job_id, v_last - v_count + e.position,
    (e.event ->> 'type')::public.session_event_type, coalesce(e.event -> 'payload', '{}')
  from jsonb_array_elements(p_events) with ordinality as e (event, position);

  return v_last;
end
$$;

comment on function private.append_session_events(uuid, text, integer, jsonb) is
  'Appends [{type, payload}, …] to the job''s session in one batch; returns the last seq. Raises lease_lost (MV001) and changes nothing when the job is no longer held.';

revoke all on function private.append_session_events(uuid, text, integer, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function private.append_session_events(uuid, text, integer, jsonb) to service_role, mobvibe_worker;
