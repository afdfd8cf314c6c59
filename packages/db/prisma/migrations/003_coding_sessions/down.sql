-- Takes back 003_coding_sessions.
drop table if exists public.coding_sessions cascade;
drop type if exists public.session_status cascade;
