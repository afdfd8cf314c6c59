-- A completed job has one attempt that completed, its last, and one event that says so; any other has neither.
select j.id as subject,
  j.status || ' at attempt ' || j.attempt || ', with ' || a.completed || ' completed attempts and ' || e.completed ||
    ' completed events' as detail
from public.coding_jobs as j
cross join lateral (
  select count(*) as completed, max(t.attempt) as last from private.job_attempts as t
  where t.job_id = j.id and t.outcome = 'completed'
) as a
cross join lateral (
  select count(*) as completed from public.session_events as t where t.job_id = j.id and t.type = 'completed'
) as e
where case
  when j.status = 'completed' then a.completed <> 1 or a.last <> j.attempt or e.completed <> 1
  else a.completed <> 0 or e.completed <> 0
end;
