-- requires: public.coding_jobs, private.job_attempts
-- Security definer: a worker writes through fenced functions only.
create or replace function private.complete_jobs(
  p_worker_id text, p_job_ids uuid[], p_attempts integer[], p_results jsonb[]
)
returns void
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  -- Locks in the order profile, session, job, as everywhere.
  perform from public.profiles as u
  where u.id in (select j.user_id from public.coding_jobs as j where j.id = any (p_job_ids))
  order by u.id
  for no key update;
  perform private.assert_leases(p_worker_id, p_job_ids, p_attempts);

  update public.coding_jobs as j
  set status = 'completed', result = t.result, completed_at = now(), lease_expires_at = null
  from unnest(p_job_ids, p_results) as t (job_id, result)
  where j.id = t.job_id;

  update private.job_attempts as a
  set ended_at = now(), outcome = 'completed'
  from unnest(p_job_ids, p_attempts) as t (job_id, attempt)
  where a.job_id = t.job_id and a.attempt = t.attempt;

  update public.profiles as u
  set tokens_used = u.tokens_used + spent.tokens
  from (
    select j.user_id, sum(
      coalesce((j.result #>> '{usage,input_tokens}')::bigint, 0)
      + coalesce((j.result #>> '{usage,output_tokens}')::bigint, 0)
    ) as tokens
    from public.coding_jobs as j
    where j.id = any (p_job_ids)
    group by j.user_id
  ) as spent
  where u.id = spent.user_id and spent.tokens > 0;
end
$$;

comment on function private.complete_jobs(text, uuid[], integer[], jsonb[]) is
  'Ends jobs as completed with their results and adds their tokens to the owners'' usage. Raises lease_lost (MV001) and changes nothing when one is no longer held.';

revoke all on function private.complete_jobs(text, uuid[], integer[], jsonb[])
  from public, anon, authenticated, service_role;
grant execute on function private.complete_jobs(text, uuid[], integer[], jsonb[]) to service_role, mobvibe_worker;
