-- requires: public.profiles
-- A temporary function could be made a trigger of a platform table that the API roles hold TRIGGER on, and would run
-- with the rights of whoever writes there next. Nothing of ours makes temporary objects.
do $$
begin
  if has_database_privilege('anon', current_database(), 'temporary') then
    execute format('revoke temporary on database %I from public', current_database());
  end if;
end
$$;
