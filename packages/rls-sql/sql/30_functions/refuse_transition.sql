-- requires: private.tier_limits
create or replace function private.refuse_transition()
returns trigger
language plpgsql
set search_path = '', pg_temp
as $$
begin
  raise exception '% cannot go from % to %', tg_argv[0], old.status, new.status using
    errcode = 'MV002',
    hint = 'Read the row again: it has moved on, or what you want is not one of its next steps.';
end
$$;

comment on function private.refuse_transition() is
  'Trigger: raises invalid_transition (MV002); the trigger''s own condition says which transitions are none.';

revoke all on function private.refuse_transition() from public, anon, authenticated, service_role;
