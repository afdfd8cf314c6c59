-- Users with open sessions for the queue. fill.ts sets bench.users and bench.sessions (a user).
set local session_replication_role = replica;

insert into auth.users (id, instance_id, aud, role, email, created_at, updated_at)
select md5('bench user ' || u)::uuid, '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated',
  u || '@bench.invalid', now(), now()
from generate_series(1, current_setting('bench.users')::integer) as u;

insert into public.profiles (id, email, tier)
select md5('bench user ' || u)::uuid, u || '@bench.invalid', 'enterprise'
from generate_series(1, current_setting('bench.users')::integer) as u;

insert into public.projects (id, user_id, name)
select md5('bench project ' || u)::uuid, md5('bench user ' || u)::uuid, 'App'
from generate_series(1, current_setting('bench.users')::integer) as u;

insert into public.coding_sessions (id, user_id, project_id, expires_at)
select md5('bench session ' || u || ' ' || s)::uuid, md5('bench user ' || u)::uuid, md5('bench project ' || u)::uuid,
  now() + interval '1 day'
from generate_series(1, current_setting('bench.users')::integer) as u,
  generate_series(1, current_setting('bench.sessions')::integer) as s;
