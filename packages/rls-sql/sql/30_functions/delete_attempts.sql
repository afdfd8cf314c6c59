-- requires: private.job_attempts
-- Security definer: whoever may delete a job may not touch its history otherwise.
create or replace function private.delete_attempts()
returns trigger
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  delete from private.job_attempts as a using gone as g where a.job_id = g.id and a.user_id = g.user_id;
  return null;
end
$$;

comment on function private.delete_attempts() is 'Trigger on coding_jobs: the history of a job goes with it.';

revoke all on function private.delete_attempts() from public, anon, authenticated, service_role;
