-- No session has two processing jobs: they share a sandbox.
select j.session_id as subject, 'processes ' || string_agg(j.id::text, ', ') as detail
from public.coding_jobs as j
where j.status = 'processing'
group by j.session_id
having count(*) > 1;
