-- Takes back 003_coding_sessions.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

drop table if exists public.coding_sessions cascade;
drop type if exists public.session_status cascade;

reset client_min_messages;
