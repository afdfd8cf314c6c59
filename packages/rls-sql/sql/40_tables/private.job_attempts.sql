-- requires: private.job_attempts, public.coding_jobs
create or replace trigger job_attempts_set_updated_at before update on private.job_attempts
  for each row when (new.updated_at is distinct from now()) execute function private.set_updated_at();
comment on trigger job_attempts_set_updated_at on private.job_attempts is 'Stamps updated_at.';

-- In the place of a foreign key: its check would cost more than the write, and find nothing.
create or replace trigger coding_jobs_delete_attempts after delete on public.coding_jobs
  referencing old table as gone
  for each statement execute function private.delete_attempts();
comment on trigger coding_jobs_delete_attempts on public.coding_jobs is 'The history of a job goes with it.';

revoke all on table private.job_attempts
  from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
grant select on table private.job_attempts to service_role, mobvibe_worker;
