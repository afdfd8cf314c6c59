-- The platform gives usage to the API roles; the logins of this repository need it by name. mobvibe_app does
-- not: it only ever acts as one of the API roles.
revoke all on schema public from mobvibe_app, mobvibe_worker;
grant usage on schema public to mobvibe_worker;
