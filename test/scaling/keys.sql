-- Every unique and every foreign key of the tables with users' rows; a partitioned table's own, not those of its parts.
with owned as (
  select c.oid, c.oid::regclass::text as name
  from pg_catalog.pg_class as c
  where c.relkind in ('r', 'p') and not c.relispartition
    and c.relnamespace in ('public'::regnamespace, 'private'::regnamespace)
    and (
      c.oid = 'public.profiles'::regclass
      or exists (
        select from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attname = 'user_id' and not a.attisdropped
      )
    )
)
select n.nspname || '.' || c.relname as table, k.kind, k.columns
from owned as o
join pg_catalog.pg_class as c on c.oid = o.oid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
cross join lateral (
  select case when i.indisprimary then 'primary key' else 'unique' end as kind,
    array(
      select pg_get_indexdef(i.indexrelid, p, true) from generate_series(1, i.indnkeyatts) as p
    ) as columns
  from pg_catalog.pg_index as i
  where i.indrelid = o.oid and i.indisunique
  union all
  select 'foreign key',
    array(
      select a.attname::text
      from unnest(f.conkey) with ordinality as u (attnum, p)
      join pg_catalog.pg_attribute as a on a.attrelid = f.conrelid and a.attnum = u.attnum
      order by u.p
    )
  from pg_catalog.pg_constraint as f
  where f.conrelid = o.oid and f.contype = 'f'
) as k
