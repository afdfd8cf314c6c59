-- requires: public.coding_jobs.changed_xid
-- Named to run last: the triggers before it may change the row.
create or replace trigger coding_jobs_stamp_change
  before update of
    status, attempt, claimed_at, available_at, cancel_requested_at, completed_at, result, error_code,
    error_message, max_attempts, priority, idempotency_key, session_id, prompt
  on public.coding_jobs
  for each row
  when (new.changed_xid is distinct from pg_current_xact_id())
  execute function private.stamp_change();
comment on trigger coding_jobs_stamp_change on public.coding_jobs is 'For each column that sync_changes gives, and none that every heartbeat writes.';

create or replace trigger coding_jobs_broadcast_insert after insert on public.coding_jobs
  referencing new table as changed
  for each statement execute function private.broadcast_changes();
comment on trigger coding_jobs_broadcast_insert on public.coding_jobs is 'Tells the owner''s devices.';

create or replace trigger coding_jobs_broadcast_update after update on public.coding_jobs
  referencing new table as changed
  for each statement execute function private.broadcast_changes();
comment on trigger coding_jobs_broadcast_update on public.coding_jobs is 'Tells the owner''s devices.';
