-- requires: public.profiles
create or replace trigger profiles_set_updated_at before update on public.profiles
  for each row when (new.updated_at is distinct from now()) execute function private.set_updated_at();
comment on trigger profiles_set_updated_at on public.profiles is 'Stamps updated_at.';

drop policy if exists "Users read their own profile" on public.profiles;
create policy "Users read their own profile" on public.profiles
  for select to authenticated
  using (id = (select auth.uid()));
comment on policy "Users read their own profile" on public.profiles is 'All columns of the own row.';

drop policy if exists "Users update their own profile" on public.profiles;
create policy "Users update their own profile" on public.profiles
  for update to authenticated
  using (id = (select auth.uid()))
  with check (id = (select auth.uid()));
comment on policy "Users update their own profile" on public.profiles is 'The columns are bounded by the grant: display_name, avatar_url.';

revoke all on table public.profiles
  from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
grant select on table public.profiles to authenticated;
grant update (display_name, avatar_url) on table public.profiles to authenticated;
grant select, insert, update, delete on table public.profiles to service_role;
grant select (id, tier) on table public.profiles to mobvibe_worker;
