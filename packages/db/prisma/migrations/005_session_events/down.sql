-- Takes back 005_session_events.
drop table if exists public.session_events cascade;
drop type if exists public.session_event_type cascade;
drop schema if exists partitions cascade;
