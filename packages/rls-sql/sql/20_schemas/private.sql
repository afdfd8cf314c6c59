-- requires: private.tier_limits
revoke all on schema private from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
grant usage on schema private to service_role, mobvibe_worker;
