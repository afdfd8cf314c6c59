-- requires: public.coding_jobs, private.job_attempts
create or replace function private.end_attempts(
  p_job_ids uuid[], p_error_codes text[], p_error_messages text[], p_retryable boolean[],
  p_retried private.attempt_outcome
)
returns table (job_id uuid, status public.job_status)
language plpgsql
set search_path = '', pg_temp
as $$
begin
  return query
  with ended as materialized (
    select j.id, j.user_id, j.attempt, j.worker_id, j.claimed_at, t.error_code, t.error_message,
      case
        when j.cancel_requested_at is not null then 'cancelled'
        when t.retryable and j.attempt < j.max_attempts then 'pending'
        else 'failed'
      end::public.job_status as next
    from unnest(p_job_ids, p_error_codes, p_error_messages, p_retryable)
      as t (job_id, error_code, error_message, retryable)
    join public.coding_jobs as j on j.id = t.job_id
  ),
  recorded as (
    insert into private.job_attempts
      (job_id, user_id, attempt, worker_id, started_at, ended_at, outcome, error_code, error)
    select e.id, e.user_id, e.attempt, e.worker_id, coalesce(e.claimed_at, now()), now(),
      case e.next
        when 'cancelled' then 'cancelled' when 'pending' then p_retried else 'failed'
      end::private.attempt_outcome,
      e.error_code, left(e.error_message, 16000)
    from ended as e
    -- A released attempt is not counted, so its number comes again.
    on conflict on constraint job_attempts_pkey do update
      set worker_id = excluded.worker_id, started_at = excluded.started_at, ended_at = excluded.ended_at,
          outcome = excluded.outcome, error_code = excluded.error_code, error = excluded.error
  )
  update public.coding_jobs as j
  set status = e.next,
      error_code = e.error_code,
      error_message = left(e.error_message, 2000),
      lease_expires_at = null,
      completed_at = case when e.next = 'pending' then null else now() end,
      available_at = case when e.next = 'pending' then now() + private.retry_delay(j.attempt) else j.available_at end,
      updated_at = now()
  from ended as e
  where j.id = e.id
  returning j.id, j.status;
end
$$;

comment on function private.end_attempts(uuid[], text[], text[], boolean[], private.attempt_outcome) is
  'Ends the current attempt of locked jobs that did not complete: cancelled where that was asked, pending again while attempts are left, else failed.';

revoke all on function private.end_attempts(uuid[], text[], text[], boolean[], private.attempt_outcome)
  from public, anon, authenticated, service_role;
