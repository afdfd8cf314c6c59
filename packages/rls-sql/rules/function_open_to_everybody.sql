-- A function that everybody may execute: Postgres grants execute on every new function to public, default privileges
-- cannot take it back, and an exposed schema makes it an endpoint of the API. Revoke it from public and name the roles
-- that are meant. anon may hold only what a file declares. $1: what the files declare.
select
  signature.text as object,
  format('function %s is executable by %s', signature.text,
    string_agg(coalesce(r.rolname, 'public'), ' and ' order by r.rolname)) as problem,
  format('revoke all on function %s from public, anon;', signature.text) as fix
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
cross join lateral format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) as signature (text)
cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as held
left join pg_catalog.pg_roles as r on r.oid = held.grantee
where n.nspname in ('public', 'private', 'partitions')
  and (
    held.grantee = 0
    or (r.rolname = 'anon' and format('function %I.%I', n.nspname, p.proname) <> all ($1::text[]))
  )
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
  )
group by signature.text
