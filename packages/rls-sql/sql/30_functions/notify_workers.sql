-- requires: private.workers.idle_since
-- Security definer: whoever may insert a job may not read the registry.
create or replace function private.notify_workers()
returns trigger
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  -- NOTIFY takes a lock of the whole cluster at commit, so nobody is told who is not waiting. A worker that becomes
  -- idle while this transaction is open is not seen here: it looks again soon after it found nothing.
  if exists (
    select from private.workers as w
    where w.idle_since is not null and w.stopped_at is null and w.last_seen_at > now() - interval '1 minute'
  ) then
    -- One empty payload: Postgres folds equal notifications of a transaction into one.
    perform pg_notify('mobvibe_jobs', '');
  end if;
  return null;
end
$$;

comment on function private.notify_workers() is 'Trigger on coding_jobs: wakes idle workers, which LISTEN on mobvibe_jobs.';

revoke all on function private.notify_workers() from public, anon, authenticated, service_role;
