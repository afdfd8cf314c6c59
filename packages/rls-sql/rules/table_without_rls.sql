-- A table without row-level security: every exposed table, every partition and every private table has it on. Without
-- it a single stray grant opens all rows to everybody who holds the public key, and a partition opened by name lets
-- its parent's policies be walked round. Enable it in the migration that makes the table; with no policy the table
-- is closed, so write the policies into sql/40_tables.
select
  format('%I.%I', n.nspname, c.relname) as object,
  format('row-level security is off on %I.%I', n.nspname, c.relname) as problem,
  format('alter table %I.%I enable row level security;', n.nspname, c.relname) as fix
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname in ('public', 'private', 'partitions')
  and c.relkind in ('r', 'p')
  and not c.relrowsecurity
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
