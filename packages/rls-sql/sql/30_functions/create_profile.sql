-- requires: public.profiles
-- Security definer: the role that signs users up (supabase_auth_admin) has no grant on public.profiles. An error
-- here would block the sign-up, so every value is cut to what its column takes.
create or replace function private.create_profile()
returns trigger
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  insert into public.profiles (id, email, display_name, avatar_url)
  values (
    new.id,
    new.email,
    nullif(left(trim(coalesce(
      new.raw_user_meta_data ->> 'display_name',
      new.raw_user_meta_data ->> 'full_name',
      new.raw_user_meta_data ->> 'name'
    )), 100), ''),
    nullif(left(new.raw_user_meta_data ->> 'avatar_url', 2048), '')
  )
  on conflict (id) do nothing;
  return null;
end
$$;

comment on function private.create_profile() is 'Trigger on auth.users: makes the profile of a new user.';

revoke all on function private.create_profile() from public, anon, authenticated, service_role;
