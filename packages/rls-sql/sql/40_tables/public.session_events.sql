-- requires: public.session_events
drop policy if exists "Users read the events of their own sessions" on public.session_events;
create policy "Users read the events of their own sessions" on public.session_events
  for select to authenticated
  using (user_id = (select auth.uid()));
comment on policy "Users read the events of their own sessions" on public.session_events is 'Reading only: events are appended by workers.';

revoke all on table public.session_events
  from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
grant select on table public.session_events to authenticated;
-- Not even the service role writes here: seq has no gap because private.append_session_events alone inserts.
grant select on table public.session_events to service_role, mobvibe_worker;
