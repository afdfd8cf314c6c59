-- requires: public.coding_sessions.changed_xid, public.coding_sessions.archived_at
-- Apart from coding_sessions_stamp_change, which must be there without this column as well: what changes while a
-- migration is taken back is told all the same.
create or replace trigger coding_sessions_stamp_archived before update of archived_at on public.coding_sessions
  for each row
  when (old.archived_at is distinct from new.archived_at)
  execute function private.stamp_change();
comment on trigger coding_sessions_stamp_archived on public.coding_sessions is 'sync_changes tells of sessions that are archived, and that come back.';
