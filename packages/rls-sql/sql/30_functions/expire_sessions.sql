-- requires: public.coding_sessions
-- Security definer: a worker writes through fenced functions only.
create or replace function private.expire_sessions()
returns integer
language plpgsql
security definer
set search_path = '', pg_temp
as $$
declare
  v_count integer;
begin
  with due as materialized (
    select s.id from public.coding_sessions as s
    where s.status in ('pending', 'active') and s.expires_at < now()
    order by s.id
    for no key update skip locked
  )
  update public.coding_sessions as s
  set status = 'expired', ended_at = now()
  from due
  where s.id = due.id;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function private.expire_sessions() is 'Ends sessions whose time ran out. Returns how many.';

revoke all on function private.expire_sessions() from public, anon, authenticated, service_role;
grant execute on function private.expire_sessions() to service_role, mobvibe_worker;
