-- A foreign key without an index on its columns: deleting or changing one row of the parent then reads the whole
-- child table, under a lock, and a cascade does so at every level. Make an index that begins with exactly the columns
-- of the key; further columns may follow.
select
  format('%I on %I.%I', k.conname, n.nspname, c.relname) as object,
  format('foreign key %I on %I.%I has no index that begins with (%s)', k.conname, n.nspname, c.relname, columns.list)
    as problem,
  format('create index %I on %I.%I (%s);', left(k.conname, 59) || '_idx', n.nspname, c.relname, columns.list) as fix
from pg_catalog.pg_constraint as k
join pg_catalog.pg_class as c on c.oid = k.conrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
cross join lateral (
  select string_agg(quote_ident(a.attname), ', ' order by at.position)
  from unnest(k.conkey) with ordinality as at (attnum, position)
  join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = at.attnum
) as columns (list)
where n.nspname in ('public', 'private', 'partitions')
  and k.contype = 'f'
  -- A partition has the keys and the indexes of its parent.
  and k.conparentid = 0
  and not exists (
    select from pg_catalog.pg_index as i
    where i.indrelid = k.conrelid and i.indisvalid and i.indpred is null
      and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
      and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] <@ k.conkey
  )
