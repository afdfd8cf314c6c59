-- The login of app teams. Without a user it can read nothing: it inherits nothing and may only become anon or
-- authenticated. Its password comes from MOBVIBE_APP_PASSWORD.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'mobvibe_app') then
    create role mobvibe_app;
  end if;
end
$$;

alter role mobvibe_app with login noinherit nobypassrls nocreatedb nocreaterole noreplication;
-- Role settings apply at login only, so the login needs a bound of its own beside the API roles' timeouts.
alter role mobvibe_app set statement_timeout = '8s';
alter role mobvibe_app set idle_in_transaction_session_timeout = '30s';

grant anon, authenticated to mobvibe_app with inherit false, set true;

comment on role mobvibe_app is 'Login of app teams: reads nothing by itself, may become anon or authenticated.';
