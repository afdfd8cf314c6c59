-- A column that a policy compares and no index holds: every query of a user carries the policy's condition, so without
-- an index every one of them reads the whole table (201 ms instead of 0.19 over 100,000 rows). Index the column, alone
-- or together with those that the queries name. Policies for insert look at the new row only and need none.
select distinct
  format('%I.%I.%I', n.nspname, c.relname, a.attname) as object,
  format('column %I of %I.%I is compared in policy %I, and no index holds it', a.attname, n.nspname, c.relname, p.polname)
    as problem,
  format('create index %I on %I.%I (%I);', c.relname || '_' || a.attname || '_idx', n.nspname, c.relname, a.attname)
    as fix
from pg_catalog.pg_policy as p
join pg_catalog.pg_class as c on c.oid = p.polrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
join pg_catalog.pg_depend as d
  on d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = p.oid
  and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = p.polrelid and d.refobjsubid > 0
join pg_catalog.pg_attribute as a on a.attrelid = p.polrelid and a.attnum = d.refobjsubid
where n.nspname in ('public', 'private', 'partitions')
  and p.polcmd <> 'a'
  and not exists (
    select from pg_catalog.pg_index as i
    where i.indrelid = p.polrelid and i.indisvalid and i.indpred is null
      and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
  )
