-- requires: private.job_attempts
create or replace trigger job_attempts_set_updated_at before update on private.job_attempts
  for each row when (new.updated_at is distinct from now()) execute function private.set_updated_at();
comment on trigger job_attempts_set_updated_at on private.job_attempts is 'Stamps updated_at.';

revoke all on table private.job_attempts
  from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
grant select on table private.job_attempts to service_role, mobvibe_worker;
