-- Nothing that was written under a lost hold is there.
select j.id as subject, 'its result is stale' as detail from public.coding_jobs as j where j.result ->> 'summary' = 'stale'
union all
select e.job_id, 'seq ' || e.seq || ' is stale' from public.session_events as e
where e.type = 'message' and e.payload ->> 'text' = 'stale'
union all
select a.job_id, 'attempt ' || a.attempt || ' is stale' from private.job_attempts as a where a.error_code = 'stale'
union all
select (s.metadata ->> 'stale')::uuid, 'its session is stale' from public.coding_sessions as s
where s.metadata ? 'stale'
union all
-- The last to update a session for a job is the run that completed it.
select j.id, 'its session was updated by another run' from public.coding_jobs as j
join public.coding_sessions as s on s.id = j.session_id
where j.status = 'completed' and j.prompt::jsonb ->> 'kind' = 'update'
  and s.metadata ->> j.id::text is distinct from j.result ->> 'summary';
