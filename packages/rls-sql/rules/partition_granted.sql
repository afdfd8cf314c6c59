-- A partition that is granted to somebody: a query that names the partition meets the partition's policies, of which
-- there are none, not its parent's; a role that bypasses row-level security goes round the parent's grants. Nothing is
-- granted on a child: whoever may read the parent reads its children through it.
select
  format('%I.%I', n.nspname, c.relname) as object,
  format('%I.%I is granted to somebody, past the policies of its parent: %s', n.nspname, c.relname,
    string_agg(distinct coalesce(r.rolname, 'public'), ', ')) as problem,
  format('revoke all on table %I.%I from %s;', n.nspname, c.relname,
    string_agg(distinct coalesce(quote_ident(r.rolname), 'public'), ', ')) as fix
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
cross join lateral (
  select * from aclexplode(c.relacl)
  union all
  select column_acl.*
  from pg_catalog.pg_attribute as a
  cross join lateral aclexplode(a.attacl) as column_acl
  where a.attrelid = c.oid
) as held
left join pg_catalog.pg_roles as r on r.oid = held.grantee
where (n.nspname = 'partitions' or (n.nspname in ('public', 'private') and c.relispartition))
  and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and held.grantee <> c.relowner
group by n.nspname, c.relname
