-- requires: private.workers.idle_since
-- Security definer: a worker writes through functions only.
create or replace function private.unregister_worker(p_worker_id text)
returns void
language sql
security definer
set search_path = '', pg_temp
as $$
  update private.workers as w
  set stopped_at = now(), last_seen_at = now(), idle_since = null
  where w.id = p_worker_id and w.stopped_at is null
$$;

comment on function private.unregister_worker(text) is 'Notes in the registry that a worker process ended in order.';

revoke all on function private.unregister_worker(text) from public, anon, authenticated, service_role;
grant execute on function private.unregister_worker(text) to service_role, mobvibe_worker;
