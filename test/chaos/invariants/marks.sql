-- Each run of a job leaves its marks 1, 2, 3 … once each, without another run of that job in between, and attempts
-- only ever go up: nobody who lost the job has written after the next holder did.
with marks as (
  select e.job_id, e.seq, e.payload #>> '{input,run}' as run, (e.payload #>> '{input,attempt}')::integer as attempt,
    (e.payload #>> '{input,n}')::integer as n
  from public.session_events as e
  where e.type = 'tool_use'
),
followed as (
  select m.*, lag(m.run) over job as run_before, lag(m.n) over job as n_before, lag(m.attempt) over job as attempt_before
  from marks as m
  window job as (partition by m.job_id order by m.seq)
)
select f.job_id as subject,
  'seq ' || f.seq || ': mark ' || f.n || ' of attempt ' || f.attempt || ' after ' || coalesce(f.n_before::text, 'none') ||
    ' of attempt ' || coalesce(f.attempt_before::text, 'none') as detail
from followed as f
where case
  when f.run = f.run_before then f.n <> f.n_before + 1
  else f.n <> 1 or f.attempt < f.attempt_before
end;
