-- requires: private.tier_limits
create or replace function private.set_updated_at()
returns trigger
language plpgsql
set search_path = '', pg_temp
as $$
begin
  new.updated_at := now();
  return new;
end
$$;

comment on function private.set_updated_at() is 'Trigger: stamps updated_at with the time of the transaction.';

revoke all on function private.set_updated_at() from public, anon, authenticated, service_role;
