-- Takes back 009_sync. `cascade` is for the triggers that the SQL layer hangs on the column.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

alter table if exists public.coding_jobs drop column if exists changed_xid cascade;
alter table if exists public.coding_sessions drop column if exists changed_xid cascade;
alter table if exists public.projects drop column if exists changed_xid cascade;

reset client_min_messages;
