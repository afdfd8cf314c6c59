-- A security definer function that anon or authenticated may execute: it runs with its owner's rights, past every
-- policy, on whatever arguments a stranger sends. Revoke it from both (a new function is executable by public), keep it
-- in schema private, and offer clients a security invoker function instead.
select
  signature.text as object,
  format('security definer function %s is executable by %s', signature.text, string_agg(role, ' and ' order by role))
    as problem,
  format('revoke all on function %s from public, anon, authenticated;', signature.text) as fix
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
cross join lateral format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) as signature (text)
cross join unnest(array['anon', 'authenticated']) as role
where n.nspname in ('public', 'private', 'partitions')
  and p.prosecdef
  and has_function_privilege(role, p.oid, 'execute')
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
  )
group by signature.text
