-- requires: private.session_archives
create or replace trigger session_archives_set_updated_at before update on private.session_archives
  for each row when (new.updated_at is distinct from now()) execute function private.set_updated_at();
comment on trigger session_archives_set_updated_at on private.session_archives is 'Stamps updated_at.';

revoke all on table private.session_archives
  from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
grant select on table private.session_archives to service_role, mobvibe_worker;
