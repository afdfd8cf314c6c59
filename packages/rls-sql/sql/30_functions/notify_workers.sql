-- requires: public.coding_jobs
create or replace function private.notify_workers()
returns trigger
language plpgsql
set search_path = '', pg_temp
as $$
begin
  -- One empty payload: Postgres folds equal notifications of a transaction into one.
  perform pg_notify('mobvibe_jobs', '');
  return null;
end
$$;

comment on function private.notify_workers() is 'Trigger on coding_jobs: wakes idle workers, which LISTEN on mobvibe_jobs.';

revoke all on function private.notify_workers() from public, anon, authenticated, service_role;
