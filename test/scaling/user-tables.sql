-- The tables that hold a user's rows, parents before their children, and by which column.
with recursive owned as (
  select c.oid, case when n.nspname = 'auth' or c.relname = 'profiles' then 'id' else 'user_id' end as key
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition
    and (
      c.oid in ('auth.users'::regclass, 'public.profiles'::regclass)
      or n.nspname in ('public', 'private') and exists (
        select from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attname = 'user_id' and not a.attisdropped
      )
    )
),
placed as (
  select o.oid, o.key, 0 as depth from owned as o
  union
  select o.oid, o.key, p.depth + 1
  from placed as p
  join pg_catalog.pg_constraint as f on f.contype = 'f' and f.confrelid = p.oid and f.conrelid <> p.oid
  join owned as o on o.oid = f.conrelid
)
select
  p.oid::regclass::text as table,
  p.key,
  -- The stamp of a change is a transaction of the database it was made in: the other one gives its own.
  (
    select array_agg(quote_ident(a.attname) order by a.attnum)
    from pg_catalog.pg_attribute as a
    where a.attrelid = p.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      and a.attname <> 'changed_xid'
  ) as columns
from placed as p
group by p.oid, p.key
order by max(p.depth), p.oid::regclass::text
