-- A sequence in an exposed schema that anon or public holds: reading it tells how many rows there are, advancing it
-- burns numbers, and setting it back makes the next inserts collide. Revoke it; ids of ours are uuids and need none.
select
  format('%I.%I', n.nspname, c.relname) as object,
  format('sequence %I.%I is granted to %s', n.nspname, c.relname, string_agg(distinct coalesce(r.rolname, 'public'), ', '))
    as problem,
  format('revoke all on sequence %I.%I from public, anon;', n.nspname, c.relname) as fix
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
cross join lateral aclexplode(c.relacl) as held
left join pg_catalog.pg_roles as r on r.oid = held.grantee
where n.nspname = 'public'
  and c.relkind = 'S'
  and (held.grantee = 0 or r.rolname = 'anon')
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
group by n.nspname, c.relname
