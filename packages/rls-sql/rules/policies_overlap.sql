-- Two permissive policies for the same table, role and command: Postgres joins them with "or", so a row is open when
-- either says so, and reading one of them does not tell who may do what; both are evaluated for every row. Join them
-- into one policy, or make the one that is meant as a limit restrictive. $1: what the files declare; on a table of the
-- platform, only those policies are ours.
select
  format('%I.%I', n.nspname, c.relname) as object,
  format('policies %I and %I on %I.%I hold for the same role and command', a.polname, b.polname, n.nspname, c.relname)
    as problem,
  format('join them into one policy with "or", or make one of them restrictive: drop policy %I on %I.%I; create …',
    b.polname, n.nspname, c.relname) as fix
from pg_catalog.pg_policy as a
join pg_catalog.pg_policy as b on b.polrelid = a.polrelid and b.polname > a.polname
join pg_catalog.pg_class as c on c.oid = a.polrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where (
    n.nspname in ('public', 'private', 'partitions')
    or (
      format('policy %I on %I.%I', a.polname, n.nspname, c.relname) = any ($1::text[])
      and format('policy %I on %I.%I', b.polname, n.nspname, c.relname) = any ($1::text[])
    )
  )
  and a.polpermissive
  and b.polpermissive
  and (a.polcmd = b.polcmd or '*' in (a.polcmd, b.polcmd))
  and (a.polroles && b.polroles or 0 = any (a.polroles || b.polroles))
