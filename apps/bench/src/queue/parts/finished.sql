-- Jobs that ended over the last month, with their attempts, for sessions that exist. Ids grow with time, as those of
-- the client do. finished.ts sets bench.finished.
set local session_replication_role = replica;

with sessions as materialized (
  select s.id, s.user_id, row_number() over (order by s.id) - 1 as number
  from public.coding_sessions as s
)
insert into public.coding_jobs (
  id, user_id, session_id, prompt, status, attempt, available_at, claimed_at, worker_id, result, completed_at,
  created_at, updated_at
)
select
  (lpad(to_hex((extract(epoch from t.at) * 1000)::bigint), 12, '0') || '7' || left(md5(n::text), 3)
    || '8' || substr(md5(n::text), 4, 15))::uuid,
  s.user_id, s.id, 'Write a notes app.', 'completed', 1, t.at, t.at, 'bench', '{}', t.at + interval '1 minute', t.at,
  t.at + interval '1 minute'
from generate_series(1, current_setting('bench.finished')::integer) as n
cross join lateral (
  select now() - interval '30 days' + interval '29 days' * n / current_setting('bench.finished')::integer
) as t (at)
-- Nothing of the sessions on this side: or it would be compared with each of them.
join sessions as s on s.number = n % (select count(*) from sessions);

insert into private.job_attempts (job_id, user_id, attempt, worker_id, started_at, ended_at, outcome)
select j.id, j.user_id, 1, j.worker_id, j.claimed_at, j.completed_at, 'completed'
from public.coding_jobs as j
where j.status = 'completed';
