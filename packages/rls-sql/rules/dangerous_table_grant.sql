-- TRUNCATE, REFERENCES, TRIGGER or MAINTAIN on a table of ours for a role of the API: the platform's defaults give all
-- four on every new table in public. Row-level security does not apply to any of them: TRUNCATE empties the table
-- whoever owns the rows, a foreign key or a trigger tells what others' rows hold. Revoke everything from the table, then
-- grant what is meant.
select
  format('%I.%I', n.nspname, c.relname) as object,
  format('%s on %I.%I is granted to %s', string_agg(distinct held.privilege_type, ', '), n.nspname, c.relname,
    coalesce(r.rolname, 'public')) as problem,
  format('revoke truncate, references, trigger, maintain on table %I.%I from %s;', n.nspname, c.relname,
    coalesce(r.rolname, 'public')) as fix
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
where n.nspname in ('public', 'private', 'partitions')
  and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and held.privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN')
  and (held.grantee = 0 or r.rolname in ('anon', 'authenticated', 'service_role'))
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
group by n.nspname, c.relname, r.rolname
