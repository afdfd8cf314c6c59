-- Everything that can be attacked as a table, with what it takes to make a row of it.
select n.nspname as schema, c.relname as name, c.relkind as kind,
  (select i.inhparent::regclass::text from pg_inherits as i where i.inhrelid = c.oid and c.relispartition) as parent,
  pg_get_expr(c.relpartbound, c.oid) as bound,
  (
    select a.attname from pg_inherits as i
    join pg_partitioned_table as p on p.partrelid = i.inhparent and p.partnatts = 1
    join pg_attribute as a on a.attrelid = c.oid
      and a.attname = (select k.attname from pg_attribute as k where k.attrelid = i.inhparent and k.attnum = p.partattrs[0])
    where i.inhrelid = c.oid and c.relispartition
  ) as "partitionKey",
  (
    select coalesce(json_agg(json_build_object(
      'name', a.attname,
      'type', t.typname,
      'labels', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum as e where e.enumtypid = t.oid),
      'required', a.attnotnull and d.adbin is null and a.attidentity = '',
      'default', pg_get_expr(d.adbin, d.adrelid),
      'generated', a.attgenerated <> '' or a.attidentity = 'a',
      'isUnique', exists (select from pg_index as i where i.indrelid = c.oid and i.indisunique and a.attnum = any (i.indkey))
    ) order by a.attnum), '[]')
    from pg_attribute as a
    join pg_type as t on t.oid = a.atttypid
    left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  ) as columns,
  (
    select coalesce(json_agg(a.attname order by a.attnum), '[]')
    from pg_index as i
    join pg_attribute as a on a.attrelid = c.oid and a.attnum = any (i.indkey)
    where i.indrelid = c.oid and i.indisprimary
  ) as key,
  (
    select coalesce(json_agg(json_build_object(
      'columns', (
        select json_agg(a.attname order by o.position) from unnest(k.conkey) with ordinality as o (attnum, position)
        join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = o.attnum
      ),
      'parent', pn.nspname || '.' || p.relname,
      'parentColumns', (
        select json_agg(a.attname order by o.position) from unnest(k.confkey) with ordinality as o (attnum, position)
        join pg_attribute as a on a.attrelid = k.confrelid and a.attnum = o.attnum
      )
    ) order by k.oid), '[]')
    from pg_constraint as k
    join pg_class as p on p.oid = k.confrelid
    join pg_namespace as pn on pn.oid = p.relnamespace
    where k.conrelid = c.oid and k.contype = 'f'
      -- A key to a partitioned table appears once more for each of its children.
      and not exists (select from pg_constraint as o where o.oid = k.conparentid and o.conrelid = c.oid)
  ) as "foreignKeys"
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = any ($1) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  and not exists (select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by n.nspname <> 'public', n.nspname, c.relname
