-- requires: public.session_events
-- Security definer: whoever appends may not write to realtime.messages.
create or replace function private.broadcast_events()
returns trigger
language plpgsql
security definer
set search_path = '', pg_temp
as $$
declare
  -- A quarter of a message's limit on the free plan is left for framing, and for how Realtime measures it.
  v_max_bytes constant integer := 131072;
begin
  -- What realtime.send does, for all sessions at once: it inserts one message in a subtransaction of its own.
  insert into realtime.messages (topic, extension, event, private, payload)
  select 'session:' || b.session_id, 'broadcast', 'events', true,
    jsonb_build_object('from_seq', b.from_seq, 'to_seq', b.to_seq)
      || case when octet_length(b.events::text) <= v_max_bytes then jsonb_build_object('events', b.events) else '{}' end
  from (
    select e.session_id, min(e.seq) as from_seq, max(e.seq) as to_seq,
      jsonb_agg(
        jsonb_build_object(
          'seq', e.seq, 'type', e.type, 'payload', e.payload, 'job_id', e.job_id, 'created_at', e.created_at
        )
        order by e.seq
      ) as events
    from appended as e
    -- What is seeded or restored happened long ago: nobody follows it.
    where e.created_at > now() - interval '5 minutes'
    group by e.session_id
  ) as b;
  return null;
exception
  -- A broadcast is a hint, the table is the truth: the append must not fail with it.
  when others then
    raise warning 'events were not broadcast: %', sqlerrm using
      errcode = sqlstate,
      hint = 'Followers fetch them at their next check. Is there a partition of realtime.messages for today?';
    return null;
end
$$;

comment on function private.broadcast_events() is
  'Trigger on session_events: one message for each session and statement, to session:<id>: {from_seq, to_seq, events}. Over 128 KiB, events is left out, and the follower fetches the range.';

revoke all on function private.broadcast_events() from public, anon, authenticated, service_role;
