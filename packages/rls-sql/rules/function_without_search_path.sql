-- A function without a search_path of its own finds tables and operators along the caller's path, so whoever can make
-- an object in a schema of that path decides what the function calls, with the owner's rights if it is security
-- definer. An empty path is not enough: Postgres then looks for types and tables in pg_temp first, where every session
-- may make its own `record` or `uuid`. Write set search_path = '', pg_temp, which puts it last, and qualify every name.
select
  signature.text as object,
  format('function %s has no search_path of its own that ends in pg_temp', signature.text) as problem,
  format('alter function %s set search_path = '''', pg_temp;', signature.text) as fix
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
cross join lateral format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) as signature (text)
where n.nspname in ('public', 'private', 'partitions')
  and p.prokind in ('f', 'p')
  and not exists (select from unnest(p.proconfig) as setting where setting like 'search\_path=%pg\_temp')
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
  )
