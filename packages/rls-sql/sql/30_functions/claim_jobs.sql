-- requires: public.coding_jobs_processing_key, private.job_attempts, private.workers.idle_since
-- Security definer: a worker writes through fenced functions only.
create or replace function private.claim_jobs(p_worker_id text, p_limit integer, p_lease interval)
returns setof public.coding_jobs
language plpgsql
security definer
set search_path = '', pg_temp
-- Statistics of a queue are stale most of the time: the plan must not depend on them.
set enable_seqscan = off
set jit = off
as $$
declare
  v_window integer := p_limit + p_limit / 4 + 20;
  v_seen integer;
  v_ahead uuid[];
  v_found integer;
  v_claimed integer := 0;
begin
  -- Nobody waits for the disk: a claim that a crash takes back leaves a pending job, and any effect of its holder that
  -- was kept has kept the claim before it.
  perform set_config('synchronous_commit', 'off', true);

  -- The queue is read in its order, and further each time not enough is found: what waits for its session, or for
  -- its user's limit, is passed over at the cost of a look.
  while v_claimed < p_limit loop
    -- Materialized, here and below: the planner may run a bare sub-select with a limit many times and claim too much.
    with ahead as materialized (
      select j.id, j.user_id, j.session_id, j.priority, j.created_at
      from public.coding_jobs as j
      where j.status = 'pending' and j.available_at <= now()
      order by j.priority desc, j.created_at, j.id
      limit v_window
    ),
    -- Only the first of each session, or the others would use up the limit.
    first as materialized (
      select distinct on (a.session_id) a.id, a.user_id from ahead as a
      order by a.session_id, a.priority desc, a.created_at, a.id
    ),
    -- The lock on the profile serialises claims of one user, so that what is counted below holds.
    owner as materialized (
      select u.id from public.profiles as u
      where u.id = any (array(select distinct f.user_id from first as f))
      for no key update skip locked
    )
    select (select count(*) from ahead), array(select f.id from first as f join owner as o on o.id = f.user_id)
    into v_seen, v_ahead;

    -- A statement of its own, so that its snapshot sees what the last holder of those locks committed.
    return query
    with waiting as materialized (
      select j.ctid as place, j.user_id, j.session_id, j.priority, j.created_at, j.id, s.status, s.last_activity_at
      from public.coding_jobs as j
      join public.coding_sessions as s on s.id = j.session_id
      where j.id = any (v_ahead)
        -- Pending, in words that lead the planner to no other index.
        and j.lease_expires_at is null and j.completed_at is null
        and s.status in ('pending', 'active') and s.deleted_at is null
        and not exists (
          select from public.coding_jobs as busy
          where busy.user_id = j.user_id and busy.session_id = j.session_id and busy.status = 'processing'
        )
    ),
    ranked as materialized (
      select w.*,
        row_number() over (partition by w.user_id order by w.priority desc, w.created_at, w.id) as rank
      from waiting as w
    ),
    chosen as materialized (
      select r.*, l.session_ttl
      from ranked as r
      join public.profiles as u on u.id = r.user_id
      join private.tier_limits as l on l.tier = u.tier
      where r.rank <= l.max_concurrent_jobs - (
        select count(*) from public.coding_jobs as busy where busy.user_id = r.user_id and busy.status = 'processing'
      )
      order by r.priority desc, r.created_at, r.id
      limit p_limit - v_claimed
    ),
    -- Locks in the order profile, project, session, job, as everywhere. A session that is locked is about to end.
    inactive as materialized (
      select s.id, c.session_ttl
      from chosen as c
      join public.coding_sessions as s on s.id = c.session_id
      -- What is active stays so for at least a minute: a second write would say nothing new.
      where c.status = 'pending' or c.last_activity_at < now() - interval '10 seconds'
      for no key update of s skip locked
    ),
    activated as (
      update public.coding_sessions as s
      set status = 'active',
          started_at = coalesce(s.started_at, now()),
          last_activity_at = now(),
          expires_at = now() + i.session_ttl,
          updated_at = now()
      from inactive as i
      where s.id = i.id
      returning s.id
    ),
    free as materialized (
      select j.ctid as place from public.coding_jobs as j
      where j.ctid = any (array(
          select c.place from chosen as c
          where c.status = 'active' and c.last_activity_at >= now() - interval '10 seconds'
            or c.session_id in (select a.id from activated as a)
        ))
        and j.lease_expires_at is null and j.completed_at is null
      for no key update skip locked
    ),
    claimed as (
      update public.coding_jobs as j
      set status = 'processing',
          attempt = j.attempt + 1,
          worker_id = p_worker_id,
          claimed_at = now(),
          lease_expires_at = now() + p_lease,
          updated_at = now(),
          error_code = null,
          error_message = null
      where j.ctid = any (array(select f.place from free as f))
      returning j.*
    )
    select * from claimed as c order by c.priority desc, c.created_at, c.id;
    get diagnostics v_found = row_count;
    v_claimed := v_claimed + v_found;

    exit when v_seen < v_window;
    v_window := v_window * 4;
  end loop;

  -- Whoever has a place left free waits to be woken by the next insert.
  update private.workers as w
  set last_seen_at = now(),
      idle_since = case when v_claimed < p_limit then coalesce(w.idle_since, now()) end
  where w.id = p_worker_id
    and ((w.idle_since is not null) <> (v_claimed < p_limit) or w.last_seen_at < now() - interval '10 seconds');
end
$$;

comment on function private.claim_jobs(text, integer, interval) is
  'Claims up to p_limit jobs under a lease: by priority, then age; one processing job a session, at most max_concurrent_jobs a user.';

revoke all on function private.claim_jobs(text, integer, interval) from public, anon, authenticated, service_role;
grant execute on function private.claim_jobs(text, integer, interval) to service_role, mobvibe_worker;
