-- A table or view that no file knows: each one in our schemas has its file in sql/40_tables, with its grants and its
-- policies, so that the repository shows who may do what. One that appeared beside the files was reviewed by nobody
-- and has whatever rights the platform's defaults gave it. Write its file, or drop it. $1: what the files declare.
select
  format('%I.%I', n.nspname, c.relname) as object,
  format('the %stable %I.%I has no policies and grants in the SQL layer',
    case n.nspname when 'public' then 'exposed ' else '' end, n.nspname, c.relname) as problem,
  format('write packages/rls-sql/sql/40_tables/%s.%s.sql (its neighbours show how), or drop the table',
    n.nspname, c.relname) as fix
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname in ('public', 'private')
  and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and format('grants %I.%I', n.nspname, c.relname) <> all ($1::text[])
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
