-- Roles belong to the whole server: one that another database still uses stays.
do $$
begin
  if exists (select from pg_catalog.pg_roles where rolname = 'mobvibe_worker') then
    grant mobvibe_worker to current_user with inherit true, set true;
    drop owned by mobvibe_worker;
    drop role mobvibe_worker;
  end if;
exception when dependent_objects_still_exist then
  raise notice 'role mobvibe_worker stays: another database uses it';
end
$$;
