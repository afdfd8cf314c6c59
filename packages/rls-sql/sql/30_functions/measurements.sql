-- requires: public.coding_jobs_processing_key, partitions.session_events_default, private.event_archives, private.session_archives, private.workers
-- Security definer: others' transactions and the sizes of tables are for whoever may call this, whatever that role may
-- read itself; what comes back are numbers and names of objects.
create or replace function private.measurements()
returns table (check_name text, subject text, value double precision)
language sql
stable
security definer
set search_path = '', pg_temp
-- Whoever watches must not stand in the queue behind a migration.
set lock_timeout = '1s'
set jit = off
as $$
  select * from private.measure_queue()
  union all
  select * from private.measure_events()
  union all
  select * from private.measure_server()
  union all
  select * from private.measure_tables()
$$;

comment on function private.measurements() is
  'What is watched in production, a row for each check and object: what it concerns, and the number. Thresholds and remedies are the worker''s.';

revoke all on function private.measurements() from public, anon, authenticated, service_role;
grant execute on function private.measurements() to service_role, mobvibe_worker;
