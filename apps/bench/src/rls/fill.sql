-- Users, each with projects, an open session among ended ones, a running and a waiting job, and events. Ids come
-- from counting, so that rows know their parents. fill.ts sets bench.users, and bench.events (a session, on average).

-- A superuser may skip triggers and foreign keys, which saves most of the time; others keep every rule on the way.
select set_config('session_replication_role', 'replica', true)
from pg_catalog.pg_roles where rolname = current_user and rolsuper;

insert into auth.users (id, instance_id, aud, role, email, created_at, updated_at)
select md5('bench user ' || u)::uuid, '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated',
  u || '@bench.invalid', now(), now()
from generate_series(1, current_setting('bench.users')::integer) as u;

insert into public.profiles (id, email, tier)
select md5('bench user ' || u)::uuid, u || '@bench.invalid', 'enterprise'
from generate_series(1, current_setting('bench.users')::integer) as u
on conflict (id) do update set tier = excluded.tier;

insert into public.projects (id, user_id, name, description, created_at, updated_at)
select md5('bench project ' || u || ' ' || p)::uuid, md5('bench user ' || u)::uuid, 'App ' || p,
  repeat('What this app is for. ', 5), now() - interval '60 days', now() - interval '1 hour' * (p * 100 + u % 100)
from generate_series(1, current_setting('bench.users')::integer) as u, generate_series(1, 10) as p;

-- The newest session, s = 1, is open.
insert into public.coding_sessions (
  id, user_id, project_id, status, created_at, started_at, ended_at, last_activity_at, expires_at,
  last_event_seq
)
select md5('bench session ' || u || ' ' || s)::uuid, md5('bench user ' || u)::uuid,
  md5('bench project ' || u || ' ' || s)::uuid,
  (case when s = 1 then 'active' else 'completed' end)::public.session_status,
  began, began, case when s > 1 then began + interval '1 hour' end, began + interval '1 hour',
  now() + interval '1 year', (current_setting('bench.events')::numeric * case s when 1 then 5.5 else 0.5 end)::integer
from generate_series(1, current_setting('bench.users')::integer) as u, generate_series(1, 10) as s,
  lateral (select now() - interval '6 days' * s + interval '1 minute' * (u % 1440)) as time (began);

-- Five sessions have two jobs. No worker is to take one meanwhile: they wait for a year.
insert into public.coding_jobs (
  id, user_id, session_id, prompt, status, attempt, available_at, claimed_at, worker_id, lease_expires_at,
  completed_at, created_at
)
select md5('bench job ' || u || ' ' || j)::uuid, s.user_id, s.id, repeat('Write a notes app. ', 10), job.status,
  (job.status <> 'pending')::integer, case when job.status = 'pending' then now() + interval '1 year' else s.created_at end,
  case when job.status <> 'pending' then s.created_at end, case when job.status <> 'pending' then 'bench' end,
  case when job.status = 'processing' then now() + interval '1 year' end,
  case when job.status = 'completed' then s.created_at + interval '1 hour' end, s.created_at + interval '1 minute' * j
from generate_series(1, current_setting('bench.users')::integer) as u
cross join generate_series(1, 15) as j
cross join lateral (
  select (case j when 1 then 'processing' when 11 then 'pending' else 'completed' end)::public.job_status
) as job (status)
join public.coding_sessions as s on s.id = md5('bench session ' || u || ' ' || (j - 1) % 10 + 1)::uuid;

-- More than half of a user's events are in the open session, so that a page of recent ones is full; written in the
-- order of their times, as in production.
insert into public.session_events (session_id, user_id, seq, created_at, job_id, type, payload)
select s.id, s.user_id, n, s.created_at + interval '1 second' * n, md5('bench job ' || u || ' ' || i)::uuid,
  (enum_range(null::public.session_event_type))[n % 6 + 1],
  jsonb_build_object('text', repeat('The agent says what it does. ', 10), 'n', n)
from generate_series(1, current_setting('bench.users')::integer) as u
cross join generate_series(1, 10) as i
join public.coding_sessions as s on s.id = md5('bench session ' || u || ' ' || i)::uuid
cross join generate_series(
  1, (current_setting('bench.events')::numeric * case i when 1 then 5.5 else 0.5 end)::integer
) as n
order by 4;
