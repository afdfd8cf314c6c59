-- requires: public.coding_sessions_sandbox_id_idx
-- Security definer: a worker writes through functions only.
create or replace function private.clear_sandboxes(p_sandbox_ids text[])
returns integer
language plpgsql
security definer
set search_path = '', pg_temp
as $$
declare
  v_count integer;
begin
  -- Locks in the order profile, project, session, job, as everywhere.
  with gone as materialized (
    select p.id from public.projects as p
    where p.sandbox_id = any (p_sandbox_ids)
      and not exists (
        select from public.coding_sessions as s
        where s.project_id = p.id and s.user_id = p.user_id and s.sandbox_id = p.sandbox_id
          and s.status in ('pending', 'active')
      )
    order by p.id
    for no key update of p
  )
  update public.projects as p set sandbox_id = null from gone as g where p.id = g.id;

  with gone as materialized (
    select s.id from public.coding_sessions as s
    where s.sandbox_id = any (p_sandbox_ids) and s.status not in ('pending', 'active')
    order by s.id
    for no key update of s
  )
  update public.coding_sessions as s set sandbox_id = null from gone as g where s.id = g.id;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function private.clear_sandboxes(text[]) is
  'Forgets sandboxes that no longer exist, in their ended sessions and in projects; returns how many sessions.';

revoke all on function private.clear_sandboxes(text[]) from public, anon, authenticated, service_role;
grant execute on function private.clear_sandboxes(text[]) to service_role, mobvibe_worker;
