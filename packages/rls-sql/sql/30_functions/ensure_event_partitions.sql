-- requires: public.session_events
create or replace function private.ensure_event_partitions(p_from timestamptz, p_until timestamptz)
returns integer
language plpgsql
set search_path = '', pg_temp
as $$
declare
  v_month timestamp := date_trunc('month', p_from at time zone 'UTC');
  v_name text;
  v_made integer := 0;
begin
  -- Two that find the same month missing would both make it.
  perform pg_advisory_xact_lock(hashtext('private.ensure_event_partitions'));
  while v_month at time zone 'UTC' < p_until loop
    v_name := 'session_events_' || to_char(v_month, 'YYYY_MM');
    if to_regclass('partitions.' || v_name) is null then
      execute format(
        'create table partitions.%I partition of public.session_events for values from (%L) to (%L)',
        v_name, v_month at time zone 'UTC', (v_month + interval '1 month') at time zone 'UTC'
      );
      execute format('alter table partitions.%I enable row level security', v_name);
      execute format('revoke all on table partitions.%I from public, anon, authenticated, service_role', v_name);
      execute format(
        'comment on table partitions.%I is %L',
        v_name, 'Events of ' || to_char(v_month, 'YYYY-MM') || ' (UTC).'
      );
      v_made := v_made + 1;
    end if;
    v_month := v_month + interval '1 month';
  end loop;
  return v_made;
end
$$;

comment on function private.ensure_event_partitions(timestamptz, timestamptz) is
  'Makes the monthly partitions of session_events that cover a time range; returns how many it made.';

revoke all on function private.ensure_event_partitions(timestamptz, timestamptz)
  from public, anon, authenticated, service_role;
