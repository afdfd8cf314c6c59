-- Who asks, and a worker that holds a job: the same at every size. prepare.ts sets bench.askers.
-- A superuser may skip the triggers: nobody is told, and no limit of a tier is in the way.
set local session_replication_role = replica;

create temporary table asker on commit drop as
select distinct on (s.user_id) s.user_id as id, s.id as session_id
from public.coding_sessions as s
where s.last_event_seq > 0 and s.deleted_at is null
order by s.user_id, s.last_event_seq desc;

-- Spread over all users, not the first ones alone: those may share their pages.
delete from asker
where id not in (
  select a.id
  from (select id, row_number() over (order by md5(id::text)) as place from asker) as a
  where a.place <= current_setting('bench.askers')::integer
);

update public.profiles set tier = 'enterprise' where id in (select id from asker);

-- Open, so that a job can be enqueued in it.
update public.coding_sessions
set status = 'active', ended_at = null, expires_at = now() + interval '1 year', last_activity_at = now()
where id in (select session_id from asker);

-- Nobody else's job is before these in the queue.
insert into public.coding_jobs (user_id, session_id, prompt, priority)
select a.id, a.session_id, 'Write a notes app.', 100
from asker as a
where not exists (
  select from public.coding_jobs as j where j.session_id = a.session_id and j.status in ('pending', 'processing')
);

select id, session_id as "sessionId" from asker order by id;
