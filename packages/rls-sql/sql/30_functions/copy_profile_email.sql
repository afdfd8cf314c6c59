-- requires: public.profiles
-- Security definer: the role that changes addresses (supabase_auth_admin) has no grant on public.profiles.
create or replace function private.copy_profile_email()
returns trigger
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  update public.profiles set email = new.email where id = new.id;
  return null;
end
$$;

comment on function private.copy_profile_email() is 'Trigger on auth.users: keeps the profile''s email in step.';

revoke all on function private.copy_profile_email() from public, anon, authenticated, service_role;
