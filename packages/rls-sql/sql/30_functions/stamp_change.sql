-- requires: public.coding_jobs.changed_xid
create or replace function private.stamp_change()
returns trigger
language plpgsql
set search_path = '', pg_temp
as $$
begin
  new.changed_xid := pg_current_xact_id();
  return new;
end
$$;

comment on function private.stamp_change() is 'Trigger: stamps changed_xid with the transaction, by which sync_changes finds the row.';

revoke all on function private.stamp_change() from public, anon, authenticated, service_role;
