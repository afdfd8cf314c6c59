-- requires: public.coding_sessions.changed_xid
-- Named to run last: the triggers before it may change the row.
create or replace trigger coding_sessions_stamp_change
  before update of
    status, started_at, ended_at, deleted_at, sandbox_id, webview_url, eas_update_url, storage_prefix,
    metadata, project_id
  on public.coding_sessions
  for each row
  when (
    (old.status, old.started_at, old.ended_at, old.deleted_at, old.sandbox_id, old.webview_url,
      old.eas_update_url, old.storage_prefix, old.metadata, old.project_id)
    is distinct from
    (new.status, new.started_at, new.ended_at, new.deleted_at, new.sandbox_id, new.webview_url,
      new.eas_update_url, new.storage_prefix, new.metadata, new.project_id)
  )
  execute function private.stamp_change();
comment on trigger coding_sessions_stamp_change on public.coding_sessions is 'For each column that sync_changes gives, and none that every batch of events writes.';

create or replace trigger coding_sessions_broadcast_insert after insert on public.coding_sessions
  referencing new table as changed
  for each statement execute function private.broadcast_changes();
comment on trigger coding_sessions_broadcast_insert on public.coding_sessions is 'Tells the owner''s devices.';

create or replace trigger coding_sessions_broadcast_update after update on public.coding_sessions
  referencing new table as changed
  for each statement execute function private.broadcast_changes();
comment on trigger coding_sessions_broadcast_update on public.coding_sessions is 'Tells the owner''s devices.';
