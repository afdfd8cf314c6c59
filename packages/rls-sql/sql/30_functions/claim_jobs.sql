-- requires: public.coding_jobs, private.job_attempts
-- Security definer: a worker writes through fenced functions only.
create or replace function private.claim_jobs(p_worker_id text, p_limit integer, p_lease interval)
returns setof public.coding_jobs
language plpgsql
security definer
set search_path = '', pg_temp
as $$
declare
  v_picked uuid[];
begin
  -- Materialized: the planner may run a bare sub-select with a limit many times and claim too much.
  -- The lock on the profile serialises claims of one user, so that the counts below hold; that on the session
  -- keeps it from ending meanwhile.
  with picked as materialized (
    select j.id
    from public.coding_jobs as j
    join public.coding_sessions as s on s.id = j.session_id and s.user_id = j.user_id
    join public.profiles as u on u.id = j.user_id
    where j.status = 'pending'
      and j.available_at <= now()
      and s.status in ('pending', 'active')
      and s.deleted_at is null
      and not exists (
        select from public.coding_jobs as busy where busy.session_id = j.session_id and busy.status = 'processing'
      )
      -- Only the first of each session, or the others would use up the limit.
      and not exists (
        select from public.coding_jobs as ahead
        where ahead.session_id = j.session_id and ahead.user_id = j.user_id
          and ahead.status = 'pending' and ahead.available_at <= now()
          and (-ahead.priority, ahead.created_at, ahead.id) < (-j.priority, j.created_at, j.id)
      )
      and (
        select count(*) from public.coding_jobs as busy where busy.user_id = j.user_id and busy.status = 'processing'
      ) < (select l.max_concurrent_jobs from private.tier_limits as l where l.tier = u.tier)
    order by j.priority desc, j.created_at, j.id
    limit p_limit
    for no key update of u, s, j skip locked
  )
  select array_agg(id) into v_picked from picked;

  -- A statement of its own, so that its snapshot sees what the last holder of those locks committed.
  return query
  with first_of_session as materialized (
    select distinct on (j.session_id) j.id, j.user_id, j.priority, j.created_at
    from public.coding_jobs as j
    where j.id = any (v_picked)
      and j.status = 'pending'
      and not exists (
        select from public.coding_jobs as busy where busy.session_id = j.session_id and busy.status = 'processing'
      )
    order by j.session_id, j.priority desc, j.created_at, j.id
  ),
  ranked as materialized (
    select f.id, f.user_id,
      row_number() over (partition by f.user_id order by f.priority desc, f.created_at, f.id) as rank
    from first_of_session as f
  ),
  allowed as materialized (
    select r.id
    from ranked as r
    join public.profiles as u on u.id = r.user_id
    join private.tier_limits as l on l.tier = u.tier
    where r.rank + (
      select count(*) from public.coding_jobs as busy where busy.user_id = r.user_id and busy.status = 'processing'
    ) <= l.max_concurrent_jobs
  ),
  claimed as (
    update public.coding_jobs as j
    set status = 'processing',
        attempt = j.attempt + 1,
        worker_id = p_worker_id,
        claimed_at = now(),
        lease_expires_at = now() + p_lease,
        error_code = null,
        error_message = null
    from allowed
    where j.id = allowed.id
    returning j.*
  ),
  recorded as (
    insert into private.job_attempts (job_id, user_id, attempt, worker_id)
    select c.id, c.user_id, c.attempt, c.worker_id from claimed as c
    -- A released attempt is not counted, so its number comes again.
    on conflict (job_id, user_id, attempt) do update
      set worker_id = excluded.worker_id, started_at = now(), ended_at = null, outcome = null,
          error_code = null, error = null
  ),
  activated as (
    update public.coding_sessions as s
    set status = 'active',
        started_at = coalesce(s.started_at, now()),
        last_activity_at = now(),
        expires_at = now() + l.session_ttl
    from claimed as c
    join public.profiles as u on u.id = c.user_id
    join private.tier_limits as l on l.tier = u.tier
    where s.id = c.session_id
  )
  select * from claimed as c order by c.priority desc, c.created_at, c.id;
end
$$;

comment on function private.claim_jobs(text, integer, interval) is
  'Claims up to p_limit jobs under a lease: by priority, then age; one processing job a session, at most max_concurrent_jobs a user.';

revoke all on function private.claim_jobs(text, integer, interval) from public, anon, authenticated, service_role;
grant execute on function private.claim_jobs(text, integer, interval) to service_role, mobvibe_worker;
