-- Roles are shared by all databases of a cluster, so every statement here may find its work already done.
-- Source: supabase/postgres, migrations/db (init-scripts, demote-postgres, 20250421084701, 20250605172253).

do $$
declare
  wanted constant text[] := array[
    'postgres', 'anon', 'authenticated', 'service_role', 'authenticator',
    'supabase_auth_admin', 'supabase_storage_admin', 'supabase_realtime_admin'
  ];
  role_name text;
begin
  foreach role_name in array wanted loop
    if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
      execute pg_catalog.format('create role %I', role_name);
    end if;
  end loop;
end
$$;

alter role postgres with nosuperuser login createdb createrole replication bypassrls inherit;
alter role anon with nologin inherit;
alter role authenticated with nologin inherit;
alter role service_role with nologin inherit bypassrls;
alter role authenticator with login noinherit;
alter role supabase_auth_admin with login noinherit createrole;
alter role supabase_storage_admin with login noinherit createrole;
alter role supabase_realtime_admin with nologin noinherit;

-- The password of the local stack; hosted Supabase gives each of them its own.
do $$
declare
  role_name text;
begin
  foreach role_name in array array['postgres', 'authenticator', 'supabase_auth_admin', 'supabase_storage_admin'] loop
    execute pg_catalog.format(
      'alter role %I with password %L', role_name, pg_catalog.current_setting('local.password')
    );
  end loop;
end
$$;

grant anon, authenticated, service_role to authenticator;
grant authenticator to supabase_storage_admin;
grant anon, authenticated, service_role, authenticator to postgres with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;

-- Hosted Supabase lets postgres write policies on storage and realtime tables through the supautils extension,
-- which plain Postgres lacks. Inheriting from their owners allows that; 90_guard.sql takes back what is too much.
grant supabase_storage_admin, supabase_realtime_admin to postgres with inherit true, set false;

-- Settings of a role apply at login only, and in every database: a database made from a template keeps them.
alter role supabase_admin set search_path = "$user", public, auth, extensions;
alter role postgres set search_path = "$user", public, extensions;
alter role supabase_auth_admin set search_path = auth;
alter role supabase_storage_admin set search_path = storage;
alter role supabase_realtime_admin set search_path = realtime;
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';

comment on role supabase_admin is 'Superuser: makes the platform. Nothing of an application runs as it.';
comment on role postgres is 'Owner of the application''s schema: runs migrations. Not a superuser.';
comment on role anon is 'API requests without a signed-in user.';
comment on role authenticated is 'API requests of a signed-in user.';
comment on role service_role is 'API requests with the secret key: bypasses RLS, but still needs table grants.';
comment on role authenticator is 'Logs in for the API and becomes anon, authenticated or service_role.';
comment on role supabase_auth_admin is 'Owner of the objects of schema auth.';
comment on role supabase_storage_admin is 'Owner of the objects of schema storage.';
comment on role supabase_realtime_admin is 'Owner of the objects of schema realtime.';
