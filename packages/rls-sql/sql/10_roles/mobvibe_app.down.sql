-- Roles belong to the whole server: one that another database still uses stays.
do $$
begin
  if exists (select from pg_catalog.pg_roles where rolname = 'mobvibe_app') then
    grant mobvibe_app to current_user with inherit true, set true;
    drop owned by mobvibe_app;
    drop role mobvibe_app;
  end if;
exception when dependent_objects_still_exist then
  raise notice 'role mobvibe_app stays: another database uses it';
end
$$;
