-- requires: private.event_archives.parts
create or replace function private.list_event_months()
returns table (
  partition_name text, range_start timestamptz, range_end timestamptz, age integer, state text, events bigint,
  size_bytes bigint, location text, parts integer, checksum text, row_checksum text, archived_at timestamptz
)
language sql
stable
set search_path = '', pg_temp
as $$
  with month as (
    select c.oid, c.relname::text as partition_name, greatest(c.reltuples, 0)::bigint as events,
      bound.part[1]::timestamptz as range_start, bound.part[2]::timestamptz as range_end
    from pg_catalog.pg_inherits as i
    join pg_catalog.pg_class as c on c.oid = i.inhrelid
    cross join lateral regexp_match(
      pg_catalog.pg_get_expr(c.relpartbound, c.oid), $re$FROM \('([^']+)'\) TO \('([^']+)'\)$re$
    ) as bound (part)
    where i.inhparent = 'public.session_events'::regclass and bound.part is not null
  )
  select coalesce(m.partition_name, a.partition_name), coalesce(m.range_start, a.range_start),
    coalesce(m.range_end, a.range_end),
    (
      extract(year from now.month) * 12 + extract(month from now.month)
        - extract(year from over.month) * 12 - extract(month from over.month)
    )::integer,
    case
      when m.oid is null then 'archived'
      when a.id is null then 'live'
      when a.restored_at is null then 'stored'
      else 'restored'
    end,
    coalesce(a.row_count, m.events), coalesce(a.size_bytes, pg_catalog.pg_total_relation_size(m.oid)),
    a.location, a.parts, a.checksum, a.row_checksum, a.archived_at
  from month as m
  full join private.event_archives as a using (partition_name)
  cross join lateral (select now() at time zone 'UTC') as now (month)
  cross join lateral (select coalesce(m.range_end, a.range_end) at time zone 'UTC') as over (month)
  order by 2
$$;

comment on function private.list_event_months() is
  'The months of session_events, oldest first: live (never archived), stored (archived, still here), archived (gone from here), restored. age: for how many whole months it has been over; events of a live month: an estimate.';

revoke all on function private.list_event_months() from public, anon, authenticated, service_role;
grant execute on function private.list_event_months() to service_role, mobvibe_worker;
