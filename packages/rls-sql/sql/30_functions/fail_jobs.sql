-- requires: public.coding_jobs, private.job_attempts
-- Security definer: a worker writes through fenced functions only.
create or replace function private.fail_jobs(
  p_worker_id text, p_job_ids uuid[], p_attempts integer[],
  p_error_codes text[], p_error_messages text[], p_retryable boolean[], p_tokens bigint[] default '{}',
  p_events jsonb[] default null
)
returns table (job_id uuid, status public.job_status)
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  perform private.add_usage(p_job_ids, p_tokens);
  perform private.append_last_events(p_worker_id, p_job_ids, p_attempts, p_events);
  perform private.assert_leases(p_worker_id, p_job_ids, p_attempts);
  return query select * from private.end_attempts(p_job_ids, p_error_codes, p_error_messages, p_retryable, 'retried');
end
$$;

comment on function private.fail_jobs(text, uuid[], integer[], text[], text[], boolean[], bigint[], jsonb[]) is
  'Ends attempts with an error: pending again after a backoff while attempts are left, else failed. Appends their last events ([{type, payload}, …] for each) and adds the tokens they spent to the owners'' usage. Raises lease_lost (MV001) and changes nothing when one is no longer held.';

revoke all on function private.fail_jobs(text, uuid[], integer[], text[], text[], boolean[], bigint[], jsonb[])
  from public, anon, authenticated, service_role;
grant execute on function private.fail_jobs(text, uuid[], integer[], text[], text[], boolean[], bigint[], jsonb[])
  to service_role, mobvibe_worker;
