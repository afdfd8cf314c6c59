-- The API learns of a changed schema by itself: PostgREST listens on channel pgrst.
-- Source: supabase/postgres, migrations/schema-17.sql (pgrst_ddl_watch, pgrst_drop_watch).

create or replace function extensions.pgrst_ddl_watch()
returns event_trigger
language plpgsql
as $$
begin
  if exists (
    select
    from pg_event_trigger_ddl_commands()
    where schema_name is distinct from 'pg_temp'
      and (
        command_tag in ('COMMENT', 'CREATE RULE', 'CREATE TRIGGER', 'CREATE TABLE AS', 'SELECT INTO')
        or command_tag ~ '^(CREATE|ALTER) (SCHEMA|TABLE|FOREIGN TABLE|VIEW|MATERIALIZED VIEW|FUNCTION|TYPE)$'
      )
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;

create or replace function extensions.pgrst_drop_watch()
returns event_trigger
language plpgsql
as $$
begin
  if exists (
    select
    from pg_event_trigger_dropped_objects()
    where not is_temporary
      and object_type in (
        'schema', 'table', 'foreign table', 'view', 'materialized view', 'function', 'trigger', 'type', 'rule'
      )
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;

drop event trigger if exists pgrst_ddl_watch;
drop event trigger if exists pgrst_drop_watch;
create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_drop_watch();

comment on function extensions.pgrst_ddl_watch() is 'Tells the API that the schema has changed.';
comment on function extensions.pgrst_drop_watch() is 'Tells the API that something was dropped.';
comment on event trigger pgrst_ddl_watch is 'Tells the API that the schema has changed.';
comment on event trigger pgrst_drop_watch is 'Tells the API that something was dropped.';
