-- requires: public.coding_sessions
create or replace trigger coding_sessions_set_updated_at before update on public.coding_sessions
  for each row execute function private.set_updated_at();
comment on trigger coding_sessions_set_updated_at on public.coding_sessions is 'Stamps updated_at.';

drop policy if exists "Users read their own sessions" on public.coding_sessions;
create policy "Users read their own sessions" on public.coding_sessions
  for select to authenticated
  using (user_id = (select auth.uid()));
comment on policy "Users read their own sessions" on public.coding_sessions is 'Tombstones included: offline clients need them.';

drop policy if exists "Users open sessions in their own projects" on public.coding_sessions;
create policy "Users open sessions in their own projects" on public.coding_sessions
  for insert to authenticated
  with check (user_id = (select auth.uid()));
comment on policy "Users open sessions in their own projects" on public.coding_sessions is 'The foreign key carries user_id, so the project is the own one.';

drop policy if exists "Users cancel and delete their own sessions" on public.coding_sessions;
create policy "Users cancel and delete their own sessions" on public.coding_sessions
  for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
comment on policy "Users cancel and delete their own sessions" on public.coding_sessions is 'The columns are bounded by the grant: status, deleted_at.';

revoke all on table public.coding_sessions
  from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
grant select on table public.coding_sessions to authenticated;
grant insert (id, project_id) on table public.coding_sessions to authenticated;
grant update (status, deleted_at) on table public.coding_sessions to authenticated;
grant select, insert, update, delete on table public.coding_sessions to service_role;
grant select on table public.coding_sessions to mobvibe_worker;
