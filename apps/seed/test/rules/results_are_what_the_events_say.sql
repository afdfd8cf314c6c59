select j.id
from public.coding_jobs as j
left join public.session_events as e on e.job_id = j.id and e.type = 'completed'
where j.result is distinct from e.payload
