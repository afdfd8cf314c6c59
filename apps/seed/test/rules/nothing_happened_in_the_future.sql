select moments.*
from (
  select 'users' as kind, id::text, greatest(created_at, updated_at, last_sign_in_at, email_confirmed_at) as latest
  from auth.users
  union all
  select 'profiles', id::text, created_at from public.profiles
  union all
  select 'projects', id::text, greatest(created_at, updated_at, deleted_at) from public.projects
  union all
  select 'sessions', id::text,
    greatest(created_at, updated_at, started_at, last_activity_at, ended_at, deleted_at)
  from public.coding_sessions
  union all
  select 'jobs', id::text, greatest(created_at, updated_at, claimed_at, cancel_requested_at, completed_at)
  from public.coding_jobs
  union all
  select 'attempts', job_id::text, greatest(created_at, updated_at, started_at, ended_at) from private.job_attempts
  union all
  select 'events', session_id::text, created_at from public.session_events
  union all
  select 'workers', id, greatest(created_at, updated_at, started_at, last_seen_at, stopped_at) from private.workers
) as moments
where moments.latest > current_setting('test.now')::timestamptz
