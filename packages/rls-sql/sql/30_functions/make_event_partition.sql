-- requires: public.session_events
create or replace function private.make_event_partition(p_month timestamp)
returns text
language plpgsql
set search_path = '', pg_temp
as $$
declare
  v_name text := 'session_events_' || to_char(p_month, 'YYYY_MM');
begin
  -- What a partition made in one step would have, and a constraint by which attaching it needs no look at its rows.
  execute format(
    $sql$
      create table partitions.%I (
        like public.session_events including defaults including constraints including indexes,
        constraint in_month check (created_at >= %L and created_at < %L)
      )
    $sql$,
    v_name, p_month at time zone 'UTC', (p_month + interval '1 month') at time zone 'UTC'
  );
  execute format('alter table partitions.%I enable row level security', v_name);
  execute format('revoke all on table partitions.%I from public, anon, authenticated, service_role', v_name);
  execute format(
    'comment on table partitions.%I is %L', v_name, 'Events of ' || to_char(p_month, 'YYYY-MM') || ' (UTC).'
  );
  return v_name;
end
$$;

comment on function private.make_event_partition(timestamp) is
  'Makes the table of a month of session_events, closed and not yet attached; returns its name.';

revoke all on function private.make_event_partition(timestamp) from public, anon, authenticated, service_role;
