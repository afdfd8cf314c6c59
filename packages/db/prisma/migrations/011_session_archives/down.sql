-- Takes back 011_session_archives. `cascade` is for the trigger that the SQL layer hangs on the column.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

alter table if exists public.coding_sessions drop column if exists archived_at cascade;
drop table if exists private.session_archives cascade;

reset client_min_messages;
