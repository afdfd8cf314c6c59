-- requires: private.session_archives
create or replace function private.session_can_go(p_session_id uuid)
returns boolean
language sql
stable
set search_path = '', pg_temp
as $$
  select exists (
    select from public.coding_sessions as s
    where s.id = p_session_id and s.archived_at is null and s.status not in ('pending', 'active')
      and exists (select from public.coding_jobs as j where j.session_id = s.id and j.user_id = s.user_id)
      -- An event goes with its job, so none may be left.
      and not exists (select from public.session_events as e where e.session_id = s.id and e.user_id = s.user_id)
      and not exists (
        select from public.coding_jobs as j
        where j.session_id = s.id and j.user_id = s.user_id
          and (
            j.status in ('pending', 'processing')
            or exists (select from public.session_events as e where e.job_id = j.id and e.user_id = j.user_id)
          )
      )
  )
$$;

comment on function private.session_can_go(uuid) is
  'Whether the jobs of a session may be archived: it has some, it is over and none is open, and none of its events is here any more.';

revoke all on function private.session_can_go(uuid) from public, anon, authenticated, service_role;
grant execute on function private.session_can_go(uuid) to service_role, mobvibe_worker;
