-- requires: public.coding_jobs, private.job_attempts, public.session_events
-- Security definer: a worker writes through fenced functions only.
create or replace function private.complete_jobs(
  p_worker_id text, p_job_ids uuid[], p_attempts integer[], p_results jsonb[], p_events jsonb[] default null
)
returns void
language plpgsql
security definer
set search_path = '', pg_temp
-- Statistics of a queue are stale most of the time: the plan must not depend on them.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_done uuid[];
begin
  perform private.add_usage(p_job_ids, array(
    select coalesce((t.result #>> '{usage,input_tokens}')::bigint, 0)
      + coalesce((t.result #>> '{usage,output_tokens}')::bigint, 0)
    from unnest(p_results) with ordinality as t (result, position)
    order by t.position
  ));

  perform private.append_last_events(p_worker_id, p_job_ids, p_attempts, p_events);

  with given as materialized (
    select t.id, t.attempt, t.result from unnest(p_job_ids, p_attempts, p_results) as t (id, attempt, result)
    -- In one order, so that two batches cannot deadlock.
    order by t.id
  ),
  done as (
    update public.coding_jobs as j
    set status = 'completed', result = g.result, completed_at = now(), lease_expires_at = null, updated_at = now(),
        changed_xid = pg_current_xact_id()
    from given as g
    -- Only what is processing has a lease. The status itself would let the planner walk the index of all that is.
    where j.id = g.id and j.attempt = g.attempt and j.worker_id = p_worker_id and j.lease_expires_at is not null
    returning j.id, j.user_id, j.attempt, j.worker_id, j.claimed_at
  ),
  recorded as (
    insert into private.job_attempts (job_id, user_id, attempt, worker_id, started_at, ended_at, outcome)
    select d.id, d.user_id, d.attempt, d.worker_id, coalesce(d.claimed_at, now()), now(), 'completed' from done as d
    -- A released attempt is not counted, so its number comes again.
    on conflict on constraint job_attempts_pkey do update
      set worker_id = excluded.worker_id, started_at = excluded.started_at, ended_at = excluded.ended_at,
          outcome = excluded.outcome, error_code = null, error = null
  )
  select coalesce(array_agg(d.id), '{}') into v_done from done as d;
  if cardinality(v_done) < cardinality(p_job_ids) then
    perform private.refuse_lost(array(select unnest(p_job_ids) except select unnest(v_done)));
  end if;
end
$$;

comment on function private.complete_jobs(text, uuid[], integer[], jsonb[], jsonb[]) is
  'Ends jobs as completed with their results, appends their last events ([{type, payload}, …] for each) and adds their tokens to the owners'' usage. Raises lease_lost (MV001) and changes nothing when one is no longer held.';

revoke all on function private.complete_jobs(text, uuid[], integer[], jsonb[], jsonb[])
  from public, anon, authenticated, service_role;
grant execute on function private.complete_jobs(text, uuid[], integer[], jsonb[], jsonb[])
  to service_role, mobvibe_worker;
