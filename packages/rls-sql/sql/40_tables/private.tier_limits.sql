-- requires: private.tier_limits
create or replace trigger tier_limits_set_updated_at before update on private.tier_limits
  for each row when (new.updated_at is distinct from now()) execute function private.set_updated_at();
comment on trigger tier_limits_set_updated_at on private.tier_limits is 'Stamps updated_at.';

revoke all on table private.tier_limits
  from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
grant select, update on table private.tier_limits to service_role;
grant select on table private.tier_limits to mobvibe_worker;
