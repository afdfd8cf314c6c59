-- requires: public.coding_jobs
create or replace function private.refuse_lost(p_lost uuid[])
returns void
language plpgsql
set search_path = '', pg_temp
as $$
begin
  if cardinality(p_lost) > 0 then
    raise exception 'lease lost' using
      errcode = 'MV001',
      detail = to_json(p_lost)::text,
      hint = 'The job ended, or another worker holds it: stop working on it.';
  end if;
end
$$;

comment on function private.refuse_lost(uuid[]) is 'Raises lease_lost (MV001, detail: the job ids) when any are named.';

revoke all on function private.refuse_lost(uuid[]) from public, anon, authenticated, service_role;
