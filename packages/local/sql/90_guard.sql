-- postgres inherits from the owners of storage and realtime, so that it can write policies there (10_roles.sql).
-- That is more than hosted Supabase allows. These event triggers take the rest back, so that what would fail with
-- "must be owner" on hosted Supabase fails here. They are the only objects that hosted Supabase does not have.

create or replace function extensions.local_guard()
returns event_trigger
language plpgsql
set search_path = ''
as $$
declare
  platform_schemas constant text[] := array['auth', 'storage', 'realtime'];
  refused text;
begin
  if current_user in ('supabase_auth_admin', 'supabase_storage_admin', 'supabase_realtime_admin')
    or (select rolsuper from pg_catalog.pg_roles where rolname = current_user)
  then
    return;
  end if;

  if tg_event = 'sql_drop' then
    select object_identity into refused
    from pg_catalog.pg_event_trigger_dropped_objects()
    where schema_name = any (platform_schemas) and object_type not in ('policy', 'trigger');
  else
    select object_identity into refused
    from pg_catalog.pg_event_trigger_ddl_commands()
    where schema_name = any (platform_schemas)
      and command_tag not in ('CREATE POLICY', 'ALTER POLICY', 'CREATE TRIGGER');
  end if;

  if refused is not null then
    raise exception 'must be owner of %', refused
      using
        errcode = 'insufficient_privilege',
        hint = 'Hosted Supabase refuses this too: in auth, storage and realtime '
          'only policies and triggers can be made.';
  end if;
end
$$;

revoke all on function extensions.local_guard() from public, anon, authenticated, service_role, postgres;

drop event trigger if exists local_guard_change;
drop event trigger if exists local_guard_drop;
create event trigger local_guard_change on ddl_command_end execute function extensions.local_guard();
create event trigger local_guard_drop on sql_drop execute function extensions.local_guard();

comment on function extensions.local_guard() is 'Refuses what hosted Supabase refuses in its own schemas.';
comment on event trigger local_guard_change is 'Refuses changes of platform objects.';
comment on event trigger local_guard_drop is 'Refuses dropping platform objects.';
