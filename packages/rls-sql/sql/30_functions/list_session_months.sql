-- requires: private.session_archives
create or replace function private.list_session_months()
returns table (
  name text, range_start timestamptz, range_end timestamptz, age integer, state text, jobs bigint,
  size_bytes bigint, location text, parts integer, checksum text, row_checksum text, archived_at timestamptz
)
language sql
stable
set search_path = '', pg_temp
as $$
  with here as (
    select date_trunc('month', s.created_at, 'UTC') as range_start, count(*) as jobs
    from public.coding_sessions as s
    join public.coding_jobs as j on j.session_id = s.id and j.user_id = s.user_id
    where s.archived_at is null
    group by 1
  ),
  month as (
    select 'coding_sessions_' || to_char(h.range_start at time zone 'UTC', 'YYYY_MM') as name, h.range_start,
      (h.range_start at time zone 'UTC' + interval '1 month') at time zone 'UTC' as range_end, h.jobs,
      (
        pg_catalog.pg_total_relation_size('public.coding_jobs')
          + pg_catalog.pg_total_relation_size('private.job_attempts')
      ) * h.jobs / sum(h.jobs) over () as size_bytes
    from here as h
  )
  select coalesce(m.name, a.name), coalesce(m.range_start, a.range_start), coalesce(m.range_end, a.range_end),
    (
      extract(year from now.month) * 12 + extract(month from now.month)
        - extract(year from over.month) * 12 - extract(month from over.month)
    )::integer,
    case
      when a.id is null then 'live'
      when a.restored_at is not null then 'restored'
      when a.dropped_at is not null then 'archived'
      else 'stored'
    end,
    coalesce(a.row_count, m.jobs), coalesce(a.size_bytes, m.size_bytes::bigint),
    a.location, a.parts, a.checksum, a.row_checksum, a.archived_at
  from month as m
  full join private.session_archives as a using (name)
  cross join lateral (select now() at time zone 'UTC') as now (month)
  cross join lateral (select coalesce(m.range_end, a.range_end) at time zone 'UTC') as over (month)
  order by 2
$$;

comment on function private.list_session_months() is
  'The months in which sessions with jobs were opened, oldest first: live (never archived), stored (archived, still here), archived (gone from here), restored. age: for how many whole months it has been over; jobs of a live month: all of its sessions, whether they may be archived yet or not; size_bytes then: their share of the tables.';

revoke all on function private.list_session_months() from public, anon, authenticated, service_role;
grant execute on function private.list_session_months() to service_role, mobvibe_worker;
