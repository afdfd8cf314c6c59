-- Tokens and jobs are counted once: those of completed jobs as their results say, and $1 for each attempt that was
-- told to fail.
select u.id as subject,
  u.tokens_used || ' tokens counted, ' || coalesce(completed.tokens, 0) + failed.tokens || ' used; ' ||
    u.jobs_used || ' jobs counted, ' || jobs.count || ' there' as detail
from public.profiles as u
cross join lateral (
  select sum((j.result #>> '{usage,input_tokens}')::bigint + (j.result #>> '{usage,output_tokens}')::bigint) as tokens
  from public.coding_jobs as j
  where j.user_id = u.id and j.status = 'completed'
) as completed
cross join lateral (
  select $1::bigint * count(*) as tokens from private.job_attempts as a
  where a.user_id = u.id and a.error_code = 'told_to_fail'
) as failed
cross join lateral (
  select count(*) as count from public.coding_jobs as j where j.user_id = u.id
) as jobs
where u.tokens_used <> coalesce(completed.tokens, 0) + failed.tokens or u.jobs_used <> jobs.count;
