-- requires: public.session_events, private.event_archives
create or replace function private.ensure_event_partitions(p_from timestamptz, p_until timestamptz)
returns integer
language plpgsql
set search_path = '', pg_temp
-- The longest that a writer can wait behind this.
set lock_timeout = '100ms'
as $$
declare
  v_month timestamp := date_trunc('month', p_from at time zone 'UTC');
  v_made integer := 0;
begin
  -- Two that find the same month missing would both make it. Taken once, and not for each try: while one of them
  -- waits for its next try, the other one must not keep away whoever was in the way.
  perform set_config('lock_timeout', '0', true);
  perform pg_advisory_xact_lock(hashtext('private.ensure_event_partitions'));
  perform set_config('lock_timeout', '100ms', true);

  while v_month at time zone 'UTC' < p_until loop
    for v_try in 1 .. 50 loop
      begin
        if to_regclass('partitions.session_events_' || to_char(v_month, 'YYYY_MM')) is null
          -- Only a restore brings back a month that is archived.
          and not exists (
            select from private.event_archives as a
            where a.range_start = v_month at time zone 'UTC' and a.dropped_at is not null and a.restored_at is null
          )
        then
          perform private.make_event_partition(v_month);
          perform private.attach_event_partition(v_month);
          v_made := v_made + 1;
        end if;
        exit;
      exception
        -- Everything of this try is undone and unlocked, and whoever was in the way gets on.
        when lock_not_available or deadlock_detected then
          if v_try = 50 then
            raise;
          end if;
          perform pg_sleep(0.05 + random() / 10);
      end;
    end loop;
    v_month := v_month + interval '1 month';
  end loop;
  return v_made;
end
$$;

comment on function private.ensure_event_partitions(timestamptz, timestamptz) is
  'Makes the monthly partitions of session_events that cover a time range, and moves into them what had strayed into the default partition; returns how many it made.';

revoke all on function private.ensure_event_partitions(timestamptz, timestamptz)
  from public, anon, authenticated, service_role;
