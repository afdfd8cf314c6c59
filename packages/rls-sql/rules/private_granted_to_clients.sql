-- Something in schema private or partitions that anon, authenticated or public holds, usage of the schema included:
-- these schemas are where the rest of the house keeps what no client may touch, and no policy is written with a client
-- in mind. Revoke it; what clients need goes into schema public.
select
  held.object,
  format('%s is granted to %s', held.object, string_agg(distinct coalesce(r.rolname, 'public'), ', ')) as problem,
  format('revoke all on %s from %s;', held.object, string_agg(distinct coalesce(r.rolname, 'public'), ', ')) as fix
from (
  select 'schema ' || n.nspname as object, a.grantee
  from pg_catalog.pg_namespace as n
  cross join lateral aclexplode(n.nspacl) as a
  where n.nspname in ('private', 'partitions')
  union all
  select format('%s %I.%I', case c.relkind when 'S' then 'sequence' else 'table' end, n.nspname, c.relname), a.grantee
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  cross join lateral (
    select * from aclexplode(c.relacl)
    union all
    select column_acl.*
    from pg_catalog.pg_attribute as at
    cross join lateral aclexplode(at.attacl) as column_acl
    where at.attrelid = c.oid
  ) as a
  -- Partitions have a rule of their own, which allows nobody at all.
  where n.nspname = 'private' and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  union all
  select format('function %I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)), a.grantee
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
  where n.nspname in ('private', 'partitions') and p.prokind in ('f', 'p')
) as held
left join pg_catalog.pg_roles as r on r.oid = held.grantee
where held.grantee = 0 or r.rolname in ('anon', 'authenticated')
group by held.object
