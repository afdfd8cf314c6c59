-- requires: private.event_archives
create or replace trigger event_archives_set_updated_at before update on private.event_archives
  for each row when (new.updated_at is distinct from now()) execute function private.set_updated_at();
comment on trigger event_archives_set_updated_at on private.event_archives is 'Stamps updated_at.';

revoke all on table private.event_archives
  from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
grant select on table private.event_archives to service_role, mobvibe_worker;
