-- What changed since a client last asked. Running this file again changes nothing.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

-- The default is the same for all rows that are there already, so none of them is rewritten.
alter table public.projects
  add column if not exists changed_xid xid8 not null default pg_current_xact_id();
alter table public.coding_sessions
  add column if not exists changed_xid xid8 not null default pg_current_xact_id();
alter table public.coding_jobs
  add column if not exists changed_xid xid8 not null default pg_current_xact_id();

-- Not for projects: a user has so few that the index by user_id will do.
create index if not exists coding_sessions_user_id_changed_xid_id_idx
  on public.coding_sessions (user_id, changed_xid, id);
create index if not exists coding_jobs_user_id_changed_xid_id_idx
  on public.coding_jobs (user_id, changed_xid, id);

comment on column public.projects.changed_xid is 'The transaction that last changed what sync_changes gives.';
comment on column public.coding_sessions.changed_xid is 'The transaction that last changed what sync_changes gives; a batch of events does not.';
comment on column public.coding_jobs.changed_xid is 'The transaction that last changed what sync_changes gives; a heartbeat does not.';
comment on index public.coding_sessions_user_id_changed_xid_id_idx is 'Serves: sync_changes, a user''s sessions in the order in which they changed; the policies.';
comment on index public.coding_jobs_user_id_changed_xid_id_idx is 'Serves: sync_changes, a user''s jobs in the order in which they changed; the policies.';

reset client_min_messages;
