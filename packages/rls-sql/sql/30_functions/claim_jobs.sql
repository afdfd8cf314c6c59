-- requires: public.coding_jobs_processing_key, private.job_attempts, private.workers.idle_since
-- Security definer: a worker writes through fenced functions only.
create or replace function private.claim_jobs(p_worker_id text, p_limit integer, p_lease interval)
returns setof public.coding_jobs
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
  v_window integer := p_limit;
  v_ahead uuid[];
  v_places tid[];
  v_waking_places tid[];
  v_sessions uuid[];
  v_found integer;
  v_is_last boolean;
  v_claimed integer := 0;
begin
  -- Nobody waits for the disk: a claim that a crash takes back leaves a pending job, and any effect of its holder that
  -- was kept has kept the claim before it.
  perform set_config('synchronous_commit', 'off', true);

  -- The queue is read in its order, and further each time not enough is found: what waits for its session, or for
  -- its user's limit, is passed over at the cost of a look.
  while v_claimed < p_limit loop
    -- The lock on the profile serialises claims of one user, so that what is counted below holds. No more owners are
    -- locked than jobs are wanted, so that those who claim at the same time leave each other the rest.
    select array_agg(a.id), count(*) into v_ahead, v_found
    from (
      select j.id
      from public.coding_jobs as j
      join public.profiles as u on u.id = j.user_id
      where j.status = 'pending' and j.available_at <= now()
      order by j.priority desc, j.created_at, j.id
      limit v_window
      for no key update of u skip locked
    ) as a;
    exit when v_found = 0;
    v_is_last := v_found < v_window;

    -- A statement of its own, so that its snapshot sees what the last holder of those locks committed.
    with waiting as materialized (
      -- Only the first of each session, or the others would use up the limit.
      select distinct on (j.session_id)
        j.ctid as place, j.user_id, j.session_id, j.priority, j.created_at, j.id, s.status, s.expires_at
      from public.coding_jobs as j
      join public.coding_sessions as s on s.id = j.session_id
      where j.id = any (v_ahead)
        -- Pending, in words that lead the planner to no other index.
        and j.lease_expires_at is null and j.completed_at is null
        and s.status in ('pending', 'active') and s.deleted_at is null
        and not exists (
          select from public.coding_jobs as busy
          where busy.user_id = j.user_id and busy.session_id = j.session_id and busy.status = 'processing'
          -- Keeps this a look into the index for each candidate: as a join it would read all that is processing.
          offset 0
        )
      order by j.session_id, j.priority desc, j.created_at, j.id
    ),
    ranked as (
      select w.*,
        row_number() over (partition by w.user_id order by w.priority desc, w.created_at, w.id) as rank
      from waiting as w
    ),
    chosen as materialized (
      select r.place, r.session_id,
        -- Its events keep a session alive: it is written here only where it sleeps, or might end before the first.
        r.status = 'pending' or coalesce(r.expires_at < now() + l.session_ttl / 2, true) as wakes
      from ranked as r
      join public.profiles as u on u.id = r.user_id
      join private.tier_limits as l on l.tier = u.tier
      where r.rank <= l.max_concurrent_jobs - (
        select count(*) from public.coding_jobs as busy where busy.user_id = r.user_id and busy.status = 'processing'
      )
      order by r.priority desc, r.created_at, r.id
      limit p_limit - v_claimed
    )
    select array_agg(c.place) filter (where not c.wakes), array_agg(c.place) filter (where c.wakes),
      array_agg(c.session_id) filter (where c.wakes)
    into v_places, v_waking_places, v_sessions
    from chosen as c;

    -- Locks in the order profile, project, session, job, as everywhere. A session that is locked is about to end.
    if v_sessions is not null then
      with free as materialized (
        select s.id, t.place
        from unnest(v_waking_places, v_sessions) as t (place, session_id)
        join public.coding_sessions as s on s.id = t.session_id
        where s.status in ('pending', 'active') and s.deleted_at is null
        for no key update of s skip locked
      ),
      activated as (
        update public.coding_sessions as s
        set status = 'active',
            started_at = coalesce(s.started_at, now()),
            last_activity_at = now(),
            expires_at = now() + l.session_ttl,
            updated_at = now()
        from free as f, public.profiles as u, private.tier_limits as l
        where s.id = f.id and u.id = s.user_id and l.tier = u.tier
        returning f.place
      )
      select v_places || array_agg(a.place) into v_places from activated as a;
    end if;

    return query
    with claimed as (
      update public.coding_jobs as j
      set status = 'processing',
          attempt = j.attempt + 1,
          worker_id = p_worker_id,
          claimed_at = now(),
          lease_expires_at = now() + p_lease,
          updated_at = now(),
          changed_xid = pg_current_xact_id(),
          error_code = null,
          error_message = null
      -- An array is made once, and so are its locks.
      where j.ctid = any (array(
        select f.ctid from public.coding_jobs as f
        where f.ctid = any (v_places) and f.lease_expires_at is null and f.completed_at is null
        for no key update skip locked
      ))
      returning j.*
    )
    select * from claimed as c order by c.priority desc, c.created_at, c.id;
    get diagnostics v_found = row_count;
    v_claimed := v_claimed + v_found;

    exit when v_is_last;
    v_window := v_window * 4;
  end loop;

  -- Whoever has a place left free waits to be woken by the next insert. Most often that is known: a look is cheaper
  -- than an update of nothing.
  if exists (
    select from private.workers as w
    where w.id = p_worker_id
      and ((w.idle_since is not null) <> (v_claimed < p_limit) or w.last_seen_at < now() - interval '10 seconds')
  ) then
    update private.workers as w
    set last_seen_at = now(),
        idle_since = case when v_claimed < p_limit then coalesce(w.idle_since, now()) end
    where w.id = p_worker_id;
  end if;
end
$$;

comment on function private.claim_jobs(text, integer, interval) is
  'Claims up to p_limit jobs under a lease: by priority, then age; one processing job a session, at most max_concurrent_jobs a user.';

revoke all on function private.claim_jobs(text, integer, interval) from public, anon, authenticated, service_role;
grant execute on function private.claim_jobs(text, integer, interval) to service_role, mobvibe_worker;
