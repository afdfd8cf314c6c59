-- Prisma's history that somebody can reach: public._prisma_migrations stands in an exposed schema and names every
-- change of the database with its logs; whoever may write it decides what the next deploy runs. Nobody but its owner
-- holds anything on it, and no policy opens it.
select
  'public._prisma_migrations' as object,
  format('public._prisma_migrations is open: %s', string_agg(opening.what, ', ' order by opening.what)) as problem,
  concat(
    'revoke all on table public._prisma_migrations from ',
    coalesce(string_agg(distinct opening.role, ', '), 'public'), ';',
    string_agg(opening.drop_policy, '')
  ) as fix
from (
  select format('%s to %s', lower(held.privilege_type), coalesce(r.rolname, 'public')) as what,
    coalesce(quote_ident(r.rolname), 'public') as role, null as drop_policy
  from pg_catalog.pg_class as c
  cross join lateral (
    select * from aclexplode(c.relacl)
    union all
    select column_acl.*
    from pg_catalog.pg_attribute as a
    cross join lateral aclexplode(a.attacl) as column_acl
    where a.attrelid = c.oid
  ) as held
  left join pg_catalog.pg_roles as r on r.oid = held.grantee
  where c.oid = to_regclass('public._prisma_migrations') and held.grantee <> c.relowner
  union all
  select format('policy %I', p.polname), null, format(' drop policy %I on public._prisma_migrations;', p.polname)
  from pg_catalog.pg_policy as p
  where p.polrelid = to_regclass('public._prisma_migrations')
) as opening
having count(*) > 0
