-- Jobs end as they were told to, or as their users asked; an attempt that ends otherwise was lost with its worker.
select j.id as subject,
  (j.prompt::jsonb ->> 'kind') || ' ended as ' || j.status || ' (' || coalesce(j.error_code, 'no code') || ')' as detail
from public.coding_jobs as j
where case j.status
  when 'cancelled' then j.cancel_requested_at is null
  when 'failed' then j.error_code not in ('told_to_fail', 'lease_expired')
    or j.error_code = 'told_to_fail' and j.prompt::jsonb ->> 'kind' not in ('refused', 'failing')
    or j.error_code = 'lease_expired' and j.attempt < j.max_attempts
  when 'completed' then j.prompt::jsonb ->> 'kind' in ('poison', 'refused', 'failing')
end
union all
select a.job_id, 'attempt ' || a.attempt || ' ended as ' || a.outcome || ' (' || a.error_code || ')'
from private.job_attempts as a
where a.error_code not in ('told_to_fail', 'lease_expired', 'cancelled');
