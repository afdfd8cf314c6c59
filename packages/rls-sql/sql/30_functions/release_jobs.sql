-- requires: public.coding_jobs, private.job_attempts
-- Security definer: a worker writes through fenced functions only.
create or replace function private.release_jobs(
  p_worker_id text, p_job_ids uuid[], p_attempts integer[], p_tokens bigint[] default '{}'
)
returns void
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  perform private.add_usage(p_job_ids, p_tokens);
  perform private.assert_leases(p_worker_id, p_job_ids, p_attempts);

  -- What somebody asked to cancel has ended: nobody else is to begin it again.
  perform private.end_attempts(
    array_agg(j.id), array_agg('cancelled'::text), array_agg('Cancelled.'::text), array_agg(false), 'released'
  )
  from public.coding_jobs as j
  where j.id = any (p_job_ids) and j.cancel_requested_at is not null;

  insert into private.job_attempts (job_id, user_id, attempt, worker_id, started_at, ended_at, outcome)
  select j.id, j.user_id, j.attempt, j.worker_id, coalesce(j.claimed_at, now()), now(), 'released'
  from public.coding_jobs as j
  where j.id = any (p_job_ids) and j.status = 'processing'
  -- A released attempt is not counted, so its number comes again.
  on conflict on constraint job_attempts_pkey do update
    set worker_id = excluded.worker_id, started_at = excluded.started_at, ended_at = excluded.ended_at,
        outcome = excluded.outcome, error_code = null, error = null;

  update public.coding_jobs as j
  set status = 'pending', attempt = j.attempt - 1, lease_expires_at = null, worker_id = null, claimed_at = null
  where j.id = any (p_job_ids) and j.status = 'processing';

  perform pg_notify('mobvibe_jobs', '');
end
$$;

comment on function private.release_jobs(text, uuid[], integer[], bigint[]) is
  'Gives jobs back at a graceful shutdown: pending at once, the attempt not counted, the tokens it spent are; one that was to be cancelled is cancelled. Raises lease_lost (MV001) and changes nothing when one is no longer held.';

revoke all on function private.release_jobs(text, uuid[], integer[], bigint[]) from public, anon, authenticated, service_role;
grant execute on function private.release_jobs(text, uuid[], integer[], bigint[]) to service_role, mobvibe_worker;
