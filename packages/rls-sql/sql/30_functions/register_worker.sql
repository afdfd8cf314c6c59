-- requires: private.workers.idle_since
-- Security definer: a worker writes through functions only.
create or replace function private.register_worker(p_worker_id text, p_hostname text, p_pid integer, p_version text)
returns void
language sql
security definer
set search_path = '', pg_temp
as $$
  insert into private.workers (id, hostname, pid, version)
  values (p_worker_id, p_hostname, p_pid, p_version)
  on conflict (id) do update
    set hostname = excluded.hostname, pid = excluded.pid, version = excluded.version,
        started_at = now(), last_seen_at = now(), stopped_at = null, idle_since = null
$$;

comment on function private.register_worker(text, text, integer, text) is 'Enters a worker process into the registry.';

revoke all on function private.register_worker(text, text, integer, text) from public, anon, authenticated, service_role;
grant execute on function private.register_worker(text, text, integer, text) to service_role, mobvibe_worker;
