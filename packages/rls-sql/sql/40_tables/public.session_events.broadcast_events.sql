-- requires: public.session_events
create or replace trigger session_events_broadcast after insert on public.session_events
  referencing new table as appended
  for each statement execute function private.broadcast_events();
comment on trigger session_events_broadcast on public.session_events is 'Tells followers of the session.';
