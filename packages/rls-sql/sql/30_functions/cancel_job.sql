-- requires: public.coding_jobs
create or replace function private.cancel_job()
returns trigger
language plpgsql
set search_path = '', pg_temp
as $$
begin
  -- The time is the database's, and a request is not taken back.
  new.cancel_requested_at := coalesce(old.cancel_requested_at, now());
  -- A running job ends when its worker hears of it, at the next heartbeat.
  if old.status = 'pending' then
    new.status := 'cancelled';
    new.completed_at := now();
  end if;
  return new;
end
$$;

comment on function private.cancel_job() is 'Trigger: cancels a pending job at once; a running one ends at its worker''s next heartbeat.';

revoke all on function private.cancel_job() from public, anon, authenticated, service_role;
