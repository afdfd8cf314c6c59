-- requires: partitions.session_events_default, private.event_archives, private.session_archives
create or replace function private.measure_events()
returns table (check_name text, subject text, value double precision)
language sql
stable
set search_path = '', pg_temp
as $$
  with month as materialized (
    select bound.part[1]::timestamptz as from_at, bound.part[2]::timestamptz as until_at
    from pg_catalog.pg_inherits as i
    join pg_catalog.pg_class as c on c.oid = i.inhrelid
    cross join lateral regexp_match(
      pg_catalog.pg_get_expr(c.relpartbound, c.oid), $re$FROM \('([^']+)'\) TO \('([^']+)'\)$re$
    ) as bound (part)
    where i.inhparent = 'public.session_events'::regclass and bound.part is not null
  )
  -- The first moment from now on that no month covers.
  select 'partition_runway', null, extract(epoch from min(moment.at) - now())::double precision
  from (
    select now() as at
    union all
    select m.until_at from month as m where m.until_at > now()
  ) as moment
  where not exists (select from month as m where m.from_at <= moment.at and m.until_at > moment.at)
  union all
  -- Whether there are some, or many: more is not worth the reading.
  select 'default_partition_rows', null, count(*)
  from (select from partitions.session_events_default limit 100000) as stray
  union all
  select 'stuck_archive', a.name, extract(epoch from now() - a.archived_at)
  from (
    select e.partition_name, e.archived_at, e.dropped_at, e.restored_at from private.event_archives as e
    union all
    select s.name, s.archived_at, s.dropped_at, s.restored_at from private.session_archives as s
  ) as a (name, archived_at, dropped_at, restored_at)
  where a.dropped_at is null and a.restored_at is null
$$;

comment on function private.measure_events() is
  'Measurements of the events and archives: how far ahead partitions are made, rows without a month, months archived and still here.';

revoke all on function private.measure_events() from public, anon, authenticated, service_role;
