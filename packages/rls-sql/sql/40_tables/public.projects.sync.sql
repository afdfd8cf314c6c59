-- requires: public.projects.changed_xid
create or replace trigger projects_stamp_change before update on public.projects
  for each row execute function private.stamp_change();
comment on trigger projects_stamp_change on public.projects is 'All columns: sync_changes gives updated_at as well.';

create or replace trigger projects_broadcast_insert after insert on public.projects
  referencing new table as changed
  for each statement execute function private.broadcast_changes();
comment on trigger projects_broadcast_insert on public.projects is 'Tells the owner''s devices.';

create or replace trigger projects_broadcast_update after update on public.projects
  referencing new table as changed
  for each statement execute function private.broadcast_changes();
comment on trigger projects_broadcast_update on public.projects is 'Tells the owner''s devices.';
