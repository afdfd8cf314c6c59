-- requires: public.session_events, private.event_archives
-- Security definer: only the owner makes partitions, and any worker may see to it that they are there in time.
create or replace function private.extend_event_partitions()
returns integer
language plpgsql
security definer
set search_path = '', pg_temp
as $$
declare
  -- What is appended today must not land in the default partition.
  v_made integer := private.ensure_event_partitions(now() - interval '1 month', now() + interval '3 months');
  v_month timestamptz;
begin
  -- What did land there gets its month as well, but for one that is archived: that is to come back whole.
  for v_month in
    select distinct date_trunc('month', e.created_at, 'UTC')
    from partitions.session_events_default as e
    where isfinite(e.created_at)
      and not exists (
        select from private.event_archives as a
        where a.range_start <= e.created_at and a.range_end > e.created_at
          and a.dropped_at is not null and a.restored_at is null
      )
    limit 12
  loop
    v_made := v_made + private.ensure_event_partitions(v_month, v_month + interval '1 day');
  end loop;
  return v_made;
end
$$;

comment on function private.extend_event_partitions() is
  'Makes the partitions of session_events from last month to three months ahead, and those of what had strayed into the default partition; returns how many were missing.';

revoke all on function private.extend_event_partitions() from public, anon, authenticated, service_role;
grant execute on function private.extend_event_partitions() to service_role, mobvibe_worker;
