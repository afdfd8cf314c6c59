-- Takes back 005_session_events.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

drop table if exists public.session_events cascade;
drop type if exists public.session_event_type cascade;
drop schema if exists partitions cascade;

reset client_min_messages;
