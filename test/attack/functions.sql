-- Every function, with the names and types of what it takes.
select n.nspname as schema, p.proname as name, format('%s.%s(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as signature, p.prokind as kind,
  p.prorettype = 'trigger'::regtype or p.prorettype = 'event_trigger'::regtype as "isTrigger",
  (
    select coalesce(json_agg(json_build_object(
      'name', coalesce(p.proargnames[o.position], ''),
      'type', t.typname,
      'labels', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum as e where e.enumtypid = t.oid)
    ) order by o.position), '[]')
    from unnest(p.proargtypes) with ordinality as o (type, position)
    join pg_type as t on t.oid = o.type
  ) as arguments
from pg_proc as p
join pg_namespace as n on n.oid = p.pronamespace
where n.nspname = any ($1) and p.prokind in ('f', 'p')
  and not exists (select from pg_depend as d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
order by n.nspname <> 'public', n.nspname, p.proname, p.oid::regprocedure::text
