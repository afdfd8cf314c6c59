-- A policy for all commands: a policy is for one of select, insert, update, delete. "For all" hides that what may be
-- read may also be deleted, and uses its reading condition for writes where no check is given. Write one policy for
-- each command that is meant, and none for those that are not. $1: what the files declare; on a table of the platform,
-- only those policies are ours.
select
  format('%I on %I.%I', p.polname, n.nspname, c.relname) as object,
  format('policy %I on %I.%I is for all commands', p.polname, n.nspname, c.relname) as problem,
  format('write one policy for each command that is meant: create policy … on %I.%I for select to authenticated …',
    n.nspname, c.relname) as fix
from pg_catalog.pg_policy as p
join pg_catalog.pg_class as c on c.oid = p.polrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where (
    n.nspname in ('public', 'private', 'partitions')
    or format('policy %I on %I.%I', p.polname, n.nspname, c.relname) = any ($1::text[])
  )
  and p.polcmd = '*'
