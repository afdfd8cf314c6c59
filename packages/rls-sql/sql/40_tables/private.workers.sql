-- requires: private.workers
create or replace trigger workers_set_updated_at before update on private.workers
  for each row when (new.updated_at is distinct from now()) execute function private.set_updated_at();
comment on trigger workers_set_updated_at on private.workers is 'Stamps updated_at.';

revoke all on table private.workers
  from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
grant select on table private.workers to service_role, mobvibe_worker;
