-- A completed job has every mark of the run that completed it, the one its result names, once; and no other run of the
-- job left any behind it.
select j.id as subject,
  'the run that completed it left ' || count(m.n) filter (where m.own) || ' marks (' ||
    count(distinct m.n) filter (where m.own) || ' different) of ' || (j.prompt::jsonb ->> 'marks') || ', and ' ||
    count(*) filter (where not m.own and m.seq > m.first) || ' of others follow' as detail
from public.coding_jobs as j
left join lateral (
  select e.seq, e.payload #>> '{input,n}' as n, e.payload #>> '{input,run}' = j.result ->> 'summary' as own,
    min(e.seq) filter (where e.payload #>> '{input,run}' = j.result ->> 'summary') over () as first
  from public.session_events as e
  where e.job_id = j.id and e.type = 'tool_use'
) as m on true
where j.status = 'completed'
group by j.id
having count(m.n) filter (where m.own) <> (j.prompt::jsonb ->> 'marks')::integer
  or count(distinct m.n) filter (where m.own) <> count(m.n) filter (where m.own)
  or count(*) filter (where not m.own and m.seq > m.first) > 0;
