-- requires: public.coding_jobs
-- Security definer: a user may end a session, but holds no right to a job's status.
create or replace function private.cancel_jobs_of_session()
returns trigger
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  -- In the order of ids, like every statement that locks several jobs.
  perform from public.coding_jobs as j
  where j.session_id = new.id and j.user_id = new.user_id and j.status in ('pending', 'processing')
  order by j.id
  for no key update;

  update public.coding_jobs as j
  set cancel_requested_at = coalesce(j.cancel_requested_at, now())
  where j.session_id = new.id and j.user_id = new.user_id and j.status in ('pending', 'processing');
  return null;
end
$$;

comment on function private.cancel_jobs_of_session() is 'Trigger: asks to cancel the open jobs of a session that ended.';

revoke all on function private.cancel_jobs_of_session() from public, anon, authenticated, service_role;
