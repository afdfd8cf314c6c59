select s.id
from public.coding_sessions as s
left join public.coding_jobs as j on j.session_id = s.id
left join private.job_attempts as a on a.job_id = j.id
group by s.id
having s.started_at is distinct from least(min(a.started_at), min(j.claimed_at))
