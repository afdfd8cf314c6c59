-- requires: public.profiles
-- `create or replace`: the platform lets postgres make triggers here, but not drop them.
create or replace trigger users_create_profile after insert on auth.users
  for each row execute function private.create_profile();

create or replace trigger users_copy_profile_email after update of email on auth.users
  for each row when (new.email is distinct from old.email) execute function private.copy_profile_email();

-- Whoever signed up before the trigger existed.
insert into public.profiles (id, email)
select u.id, u.email from auth.users as u
where not exists (select from public.profiles as p where p.id = u.id)
on conflict (id) do nothing;
