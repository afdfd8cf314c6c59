-- The platform gives usage to the API roles. The logins have it by name: it adds nothing to what everybody holds
-- here, but it keeps a role that this database uses from being dropped by way of another one.
revoke all on schema public from mobvibe_app, mobvibe_worker;
grant usage on schema public to mobvibe_app, mobvibe_worker;
