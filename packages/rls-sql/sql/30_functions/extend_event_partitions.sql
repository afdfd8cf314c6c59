-- requires: public.session_events
-- Security definer: only the owner makes partitions, and any worker may see to it that they are there in time.
create or replace function private.extend_event_partitions()
returns integer
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  -- What is appended today must not land in the default partition.
  return private.ensure_event_partitions(now() - interval '1 month', now() + interval '3 months');
end
$$;

comment on function private.extend_event_partitions() is
  'Makes the partitions of session_events from last month to three months ahead; returns how many were missing.';

revoke all on function private.extend_event_partitions() from public, anon, authenticated, service_role;
grant execute on function private.extend_event_partitions() to service_role, mobvibe_worker;
