-- requires: public.coding_sessions
-- Security definer: the same whoever deletes the project.
create or replace function private.cancel_sessions_of_project()
returns trigger
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  update public.coding_sessions as s
  set status = 'cancelled'
  where s.project_id = new.id and s.user_id = new.user_id and s.status in ('pending', 'active');
  return null;
end
$$;

comment on function private.cancel_sessions_of_project() is 'Trigger: cancels the open sessions of a project that is deleted.';

revoke all on function private.cancel_sessions_of_project() from public, anon, authenticated, service_role;
