-- requires: public.session_events
create or replace function private.append_last_events(
  p_worker_id text, p_job_ids uuid[], p_attempts integer[], p_events jsonb[]
)
returns void
language plpgsql
set search_path = '', pg_temp
as $$
begin
  if p_events is null then
    return;
  end if;

  -- Locks in the order profile, project, session, job, and of ids, as everywhere.
  perform from public.coding_sessions as s
  where s.id in (select j.session_id from public.coding_jobs as j where j.id = any (p_job_ids))
  order by s.id
  for no key update;

  perform private.append_session_events(g.id, p_worker_id, g.attempt, g.events)
  from (
    select t.id, t.attempt, t.events from unnest(p_job_ids, p_attempts, p_events) as t (id, attempt, events)
    where t.events is not null
    order by t.id
  ) as g;
end
$$;

comment on function private.append_last_events(text, uuid[], integer[], jsonb[]) is
  'Appends what ending attempts have left to say ([{type, payload}, …] or null for each), in the transaction that ends them: a worker that is killed in between has not said how they ended. Raises lease_lost (MV001).';

revoke all on function private.append_last_events(text, uuid[], integer[], jsonb[])
  from public, anon, authenticated, service_role;
