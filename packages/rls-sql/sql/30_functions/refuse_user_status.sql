-- requires: public.coding_sessions
create or replace function private.refuse_user_status()
returns trigger
language plpgsql
set search_path = '', pg_temp
as $$
begin
  raise exception 'a user may cancel a session, not set it to %', new.status using
    errcode = 'insufficient_privilege',
    hint = 'The worker moves a session through its other states.';
end
$$;

comment on function private.refuse_user_status() is 'Trigger: a signed-in user may set a session''s status to cancelled only.';

revoke all on function private.refuse_user_status() from public, anon, authenticated, service_role;
