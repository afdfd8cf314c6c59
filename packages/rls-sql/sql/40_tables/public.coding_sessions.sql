-- requires: public.coding_sessions
create or replace trigger coding_sessions_set_updated_at before update on public.coding_sessions
  for each row when (new.updated_at is distinct from now()) execute function private.set_updated_at();
comment on trigger coding_sessions_set_updated_at on public.coding_sessions is 'Stamps updated_at.';

create or replace trigger coding_sessions_enforce_limit after insert on public.coding_sessions
  referencing new table as opened
  for each statement execute function private.enforce_session_limit();
comment on trigger coding_sessions_enforce_limit on public.coding_sessions is 'Open sessions of a user: the tier''s limit.';

create or replace trigger coding_sessions_end before update of status, deleted_at on public.coding_sessions
  for each row execute function private.end_session();
comment on trigger coding_sessions_end on public.coding_sessions is 'Stamps ended_at; deleting cancels.';

-- Named to run after coding_sessions_end, which may change the status.
create or replace trigger coding_sessions_refuse_transition before update of status on public.coding_sessions
  for each row
  when (
    old.status is distinct from new.status
    and not (old.status = 'pending' and new.status in ('active', 'failed', 'expired', 'cancelled'))
    and not (old.status = 'active' and new.status in ('completed', 'failed', 'expired', 'cancelled'))
  )
  execute function private.refuse_transition('a session');
comment on trigger coding_sessions_refuse_transition on public.coding_sessions is 'The state machine of a session.';

create or replace trigger coding_sessions_refuse_user_status before update of status on public.coding_sessions
  for each row
  when (current_user = 'authenticated' and old.status is distinct from new.status and new.status <> 'cancelled')
  execute function private.refuse_user_status();
comment on trigger coding_sessions_refuse_user_status on public.coding_sessions is 'Users may only cancel.';

-- On the parent, but of no use, and not to be made, before this table exists.
create or replace trigger projects_cancel_sessions after update of deleted_at on public.projects
  for each row
  when (new.deleted_at is not null and old.deleted_at is null)
  execute function private.cancel_sessions_of_project();
comment on trigger projects_cancel_sessions on public.projects is 'The sessions of a project end with it.';

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
