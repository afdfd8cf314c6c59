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
    select j.id, j.user_id, j.attempt, t.error_code, t.error_message,
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
    update private.job_attempts as a
    set ended_at = now(),
        outcome = case e.next
          when 'cancelled' then 'cancelled' when 'pending' then p_retried else 'failed'
        end::private.attempt_outcome,
        error_code = e.error_code,
        error = e.error_message
    from ended as e
    where a.job_id = e.id and a.attempt = e.attempt
  )
  update public.coding_jobs as j
  set status = e.next,
      error_code = e.error_code,
      error_message = left(e.error_message, 2000),
      lease_expires_at = null,
      completed_at = case when e.next = 'pending' then null else now() end,
      available_at = case when e.next = 'pending' then now() + private.retry_delay(j.attempt) else j.available_at end
  from ended as e
  where j.id = e.id
  returning j.id, j.status;
end
$$;

comment on function private.end_attempts(uuid[], text[], text[], boolean[], private.attempt_outcome) is
  'Ends the current attempt of locked jobs that did not complete: cancelled where that was asked, pending again while attempts are left, else failed.';

revoke all on function private.end_attempts(uuid[], text[], text[], boolean[], private.attempt_outcome)
  from public, anon, authenticated, service_role;
