-- What migrations expect of the Supabase platform, for the shadow database in which Prisma replays them.
-- Only its shape matters: nothing here is ever applied to a real database.
create schema if not exists auth;
create schema if not exists extensions;

create table if not exists auth.users (
  id uuid primary key,
  email text,
  raw_user_meta_data jsonb,
  created_at timestamptz
);

create or replace function auth.uid() returns uuid
language sql stable
set search_path = ''
as $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;

-- Roles belong to the server, so on a Supabase server they exist.
do $$
declare
  missing text;
begin
  foreach missing in array array['anon', 'authenticated', 'service_role'] loop
    if to_regrole(missing) is null then
      execute format('create role %I nologin', missing);
    end if;
  end loop;
end
$$;
