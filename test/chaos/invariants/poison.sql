-- A job that kills its worker each time fails when its attempts are used up, and says that the worker was lost.
select j.id as subject, j.status || ' (' || coalesce(j.error_code, 'no code') || ') at attempt ' || j.attempt as detail
from public.coding_jobs as j
where j.prompt::jsonb ->> 'kind' = 'poison'
  and (j.status, j.attempt, j.error_code) is distinct from ('failed', j.max_attempts, 'lease_expired');
