-- requires: public.coding_jobs
-- Our own tables, from the server's statistics: none is read, and none locked, so sizes are those of the last vacuum
-- or analyze. What is small is left out: it is noisy, and costs nothing.
create or replace function private.measure_tables()
returns table (check_name text, subject text, value double precision)
language sql
stable
set search_path = '', pg_temp
as $$
  with settings as materialized (
    select
      current_setting('block_size')::integer as block,
      10 * 1024 * 1024 / current_setting('block_size')::integer as least_pages,
      10000 as least_rows
  ),
  heap as materialized (
    select c.oid, n.nspname, c.relname, coalesce(pg_partition_root(c.oid), c.oid)::regclass::text as root,
      c.relpages, greatest(c.reltuples, 0) as rows,
      pg_stat_get_live_tuples(c.oid) as live, pg_stat_get_dead_tuples(c.oid) as dead,
      pg_stat_get_numscans(c.oid) as scans,
      coalesce(o.fillfactor, 100) as fillfactor,
      coalesce(o.vacuum_threshold, current_setting('autovacuum_vacuum_threshold')::double precision)
        + coalesce(o.vacuum_scale, current_setting('autovacuum_vacuum_scale_factor')::double precision)
          * greatest(c.reltuples, 0) as vacuumed_from
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    cross join lateral (
      select
        max(option_value::double precision) filter (where option_name = 'fillfactor') as fillfactor,
        max(option_value::double precision) filter (where option_name = 'autovacuum_vacuum_threshold')
          as vacuum_threshold,
        max(option_value::double precision) filter (where option_name = 'autovacuum_vacuum_scale_factor')
          as vacuum_scale
      from pg_options_to_table(c.reloptions)
      where option_name in ('fillfactor', 'autovacuum_vacuum_threshold', 'autovacuum_vacuum_scale_factor')
    ) as o
    where n.nspname in ('public', 'private', 'partitions') and c.relkind = 'r'
  ),
  index as materialized (
    select i.indexrelid as oid, i.indrelid, h.nspname, c.relname,
      coalesce(pg_partition_root(c.oid), c.oid)::regclass::text as root,
      c.relpages, greatest(c.reltuples, 0) as rows, pg_stat_get_numscans(c.oid) as scans, i.indisunique, i.indkey,
      m.amname = 'btree' as is_btree,
      coalesce(
        (select o.option_value from pg_options_to_table(c.reloptions) as o where o.option_name = 'fillfactor'), '90'
      )::double precision as fillfactor
    from heap as h
    join pg_catalog.pg_index as i on i.indrelid = h.oid
    join pg_catalog.pg_class as c on c.oid = i.indexrelid
    join pg_catalog.pg_am as m on m.oid = c.relam
  ),
  width as materialized (
    select s.schemaname, s.tablename, s.attname, s.null_frac, (1 - s.null_frac) * s.avg_width as bytes
    from pg_catalog.pg_stats as s
    where s.schemaname in ('public', 'private', 'partitions') and not s.inherited
  ),
  -- Bloat as it is usually estimated without reading a page (github.com/ioguix/pgsql-bloat-estimation): how many
  -- pages the rows need, by the average width of each column, headers and alignment, against how many there are.
  heap_need as (
    select h.oid, 4 + (case when max(w.null_frac) > 0 then 32 else 24 end) + ceil(sum(w.bytes) / 8) * 8 as bytes
    from heap as h
    join width as w on w.schemaname = h.nspname and w.tablename = h.relname
    where h.relpages >= (select least_pages from settings)
    group by h.oid
  ),
  index_need as (
    select i.oid, 4 + (case when max(w.null_frac) > 0 then 16 else 8 end) + ceil(sum(w.bytes) / 8) * 8 as bytes
    from index as i
    join pg_catalog.pg_class as t on t.oid = i.indrelid
    cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, position)
    -- An expression has its statistics under the index.
    join pg_catalog.pg_attribute as a
      on a.attrelid = case when k.attnum = 0 then i.oid else i.indrelid end
      and a.attnum = case when k.attnum = 0 then k.position else k.attnum end
    join width as w
      on w.schemaname = i.nspname and w.attname = a.attname
      and w.tablename = case when k.attnum = 0 then i.relname else t.relname end
    where i.is_btree and i.relpages >= (select least_pages from settings)
    group by i.oid
  )
  select 'dead_rows', h.nspname || '.' || h.relname, h.dead::double precision / (h.live + h.dead)
  from heap as h
  where h.dead >= (select least_rows from settings)
  union all
  select 'autovacuum_lag', h.nspname || '.' || h.relname, h.dead / greatest(h.vacuumed_from, 1)
  from heap as h
  where h.dead >= (select least_rows from settings)
  union all
  select 'table_bloat', h.nspname || '.' || h.relname,
    greatest(1 - ceil(h.rows * n.bytes / ((s.block - 24) * h.fillfactor / 100)) / h.relpages, 0)
  from heap as h
  join heap_need as n on n.oid = h.oid
  cross join settings as s
  union all
  select 'index_bloat', i.nspname || '.' || i.relname,
    greatest(1 - (1 + ceil(i.rows * n.bytes / ((s.block - 40) * i.fillfactor / 100))) / i.relpages, 0)
  from index as i
  join index_need as n on n.oid = i.oid
  cross join settings as s
  union all
  -- Small partitions are rightly read as a whole, so only the big ones count.
  select 'sequential_scans', h.root, sum(h.scans) / sum(h.scans + used.scans)::double precision
  from heap as h
  cross join lateral (
    select coalesce(sum(i.scans), 0) as scans from index as i where i.indrelid = h.oid
  ) as used
  where h.live >= (select least_rows from settings)
  group by h.root
  having sum(h.scans) >= 100
  union all
  -- Whatever is unique is a rule, and what holds a foreign key serves its deletes.
  select 'unused_index', i.root, sum(i.relpages)::double precision * max(s.block)
  from index as i
  cross join settings as s
  where not i.indisunique
    and not exists (
      select from pg_catalog.pg_constraint as k
      where k.conrelid = i.indrelid and k.contype = 'f'
        and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
        and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] <@ k.conkey
    )
  group by i.root
  having sum(i.scans) = 0 and sum(i.relpages) > 0
$$;

comment on function private.measure_tables() is
  'Measurements of our tables and indexes: dead rows, vacuuming behind, bloat (an estimate), scans, unused indexes.';

revoke all on function private.measure_tables() from public, anon, authenticated, service_role;
