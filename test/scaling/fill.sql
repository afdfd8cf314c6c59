-- Eighteen users, always the same, each with two projects, six sessions, of which five are active with a job that waits, and events.
begin;
insert into auth.users (id, email)
select md5('user ' || n)::uuid, 'user' || n || '@example.com' from generate_series(1, 18) as n;
update public.profiles set tier = 'pro';
insert into public.projects (user_id, name, updated_at, deleted_at)
select p.id, 'App ' || n, now() - n * interval '1 hour', case when n = 3 then now() end
from public.profiles as p, generate_series(1, 3) as n;
insert into public.coding_sessions (user_id, project_id, status, created_at)
select p.user_id, p.id, (case when p.name = 'App 2' and n = 3 then 'completed' else 'active' end)::public.session_status,
  now() - n * interval '1 hour'
from public.projects as p, generate_series(1, 3) as n
where p.deleted_at is null;
insert into public.coding_jobs (user_id, session_id, prompt, status, completed_at, created_at)
select s.user_id, s.id, 'A list of notes', 'completed', now(), now() - interval '2 days'
from public.coding_sessions as s;
insert into public.coding_jobs (user_id, session_id, prompt, created_at)
select s.user_id, s.id, 'Another colour', now() - row_number() over (order by s.id) * interval '1 second'
from public.coding_sessions as s
where s.status = 'active';
insert into public.session_events (session_id, user_id, seq, job_id, type, payload)
select j.session_id, j.user_id, n, j.id, 'message', jsonb_build_object('text', 'Line ' || n)
from public.coding_jobs as j, generate_series(1, 8) as n
where j.status = 'completed';
insert into private.job_attempts (job_id, user_id, attempt, worker_id, ended_at, outcome)
select j.id, j.user_id, 1, 'w0', now(), 'completed' from public.coding_jobs as j where j.status = 'completed';
commit;
