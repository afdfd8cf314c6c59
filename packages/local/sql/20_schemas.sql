-- Source: supabase/postgres, migrations/db/init-scripts and 20250421084701, 20250709135250, 20260506172403.

do $$
begin
  execute pg_catalog.format('alter database %I owner to postgres', pg_catalog.current_database());
end
$$;

create schema if not exists auth authorization supabase_admin;
create schema if not exists storage authorization supabase_admin;
create schema if not exists realtime authorization supabase_admin;
create schema if not exists graphql_public authorization supabase_admin;
create schema if not exists extensions authorization postgres;

-- The owner of public is whoever owns the database: postgres creates in it, the API roles only use it.
alter schema public owner to pg_database_owner;
grant usage on schema public to postgres, anon, authenticated, service_role;

grant usage on schema auth to postgres, anon, authenticated, service_role;
grant all on schema auth to supabase_auth_admin;

grant usage on schema storage to postgres with grant option;
grant usage on schema storage to anon, authenticated, service_role;
grant all on schema storage to supabase_storage_admin with grant option;

grant usage on schema realtime to postgres with grant option;
grant usage on schema realtime to anon, authenticated, service_role;
grant all on schema realtime to supabase_realtime_admin;

grant usage on schema graphql_public to postgres, anon, authenticated, service_role;
grant usage on schema extensions to anon, authenticated, service_role;

-- 20251105172723: postgres may reload the configuration.
grant execute on function pg_catalog.pg_reload_conf() to postgres with grant option;

comment on schema auth is 'Users and their sessions.';
comment on schema storage is 'Buckets and the records of stored files.';
comment on schema realtime is 'Broadcast and presence.';
comment on schema graphql_public is 'Where GraphQL would be served; empty, as on a new project.';
comment on schema extensions is 'Extensions, kept out of public.';
