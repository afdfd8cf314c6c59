-- requires: public.projects
create or replace trigger projects_set_updated_at before update on public.projects
  for each row when (new.updated_at is distinct from now()) execute function private.set_updated_at();
comment on trigger projects_set_updated_at on public.projects is 'Stamps updated_at.';

drop policy if exists "Users read their own projects" on public.projects;
create policy "Users read their own projects" on public.projects
  for select to authenticated
  using (user_id = (select auth.uid()));
comment on policy "Users read their own projects" on public.projects is 'Tombstones included: offline clients need them.';

drop policy if exists "Users create their own projects" on public.projects;
create policy "Users create their own projects" on public.projects
  for insert to authenticated
  with check (user_id = (select auth.uid()));
comment on policy "Users create their own projects" on public.projects is 'user_id is filled by its default; the grant keeps clients from writing it.';

drop policy if exists "Users update their own projects" on public.projects;
create policy "Users update their own projects" on public.projects
  for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
comment on policy "Users update their own projects" on public.projects is 'Deleting is an update of deleted_at.';

revoke all on table public.projects
  from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
grant select on table public.projects to authenticated;
grant insert (id, name, description, template, expo_config) on table public.projects to authenticated;
grant update (name, description, template, expo_config, status, deleted_at) on table public.projects to authenticated;
grant select, insert, update, delete on table public.projects to service_role;
grant select on table public.projects to mobvibe_worker;
