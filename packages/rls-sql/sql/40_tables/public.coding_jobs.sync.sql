-- requires: public.coding_jobs.changed_xid
-- Named to run last: the triggers before it may change the row.
create or replace trigger coding_jobs_stamp_change
  before update of
    status, attempt, claimed_at, available_at, cancel_requested_at, completed_at, result, error_code,
    error_message, max_attempts, priority, idempotency_key, session_id, prompt
  on public.coding_jobs
  for each row
  when (
    (old.status, old.attempt, old.claimed_at, old.available_at, old.cancel_requested_at, old.completed_at,
      old.result, old.error_code, old.error_message, old.max_attempts, old.priority, old.idempotency_key,
      old.session_id, old.prompt)
    is distinct from
    (new.status, new.attempt, new.claimed_at, new.available_at, new.cancel_requested_at, new.completed_at,
      new.result, new.error_code, new.error_message, new.max_attempts, new.priority, new.idempotency_key,
      new.session_id, new.prompt)
  )
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
