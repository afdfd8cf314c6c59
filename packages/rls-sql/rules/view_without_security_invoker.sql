-- A view in an exposed schema that reads with its owner's rights: without security_invoker the policies of the tables
-- below do not apply to whoever reads the view, so it shows every user's rows. Set the option. A materialized view or a
-- foreign table knows no row-level security at all: move it to schema private.
select
  format('%I.%I', n.nspname, c.relname) as object,
  case c.relkind
    when 'v' then format('view %I.%I reads with the rights of its owner, past the policies', n.nspname, c.relname)
    else format('%I.%I stands in an exposed schema and knows no row-level security', n.nspname, c.relname)
  end as problem,
  format('alter %s %I.%I set %s;',
    case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'foreign table' end,
    n.nspname, c.relname,
    case c.relkind when 'v' then '(security_invoker = true)' else 'schema private' end) as fix
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'public'
  and c.relkind in ('v', 'm', 'f')
  and not (
    c.relkind = 'v'
    and exists (
      select from pg_options_to_table(c.reloptions) as o
      where o.option_name = 'security_invoker' and o.option_value in ('true', 'on', 'yes', '1')
    )
  )
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
