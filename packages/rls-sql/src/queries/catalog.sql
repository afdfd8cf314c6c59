-- Everything that files of the SQL layer can declare, as the catalog has it now.
-- $1: our schemas. Policies and triggers are reported for every table, ours or the platform's.
with acl as (
  select source.id, source.part, string_agg(
    concat_ws(' ', source.part, a.privilege_type, 'to', coalesce(r.rolname, 'public'),
      case when a.is_grantable then 'with grant option' end),
    e'\n' order by a.privilege_type, r.rolname
  ) as text
  from (
    select c.oid as id, 'table'::text as part, coalesce(c.relacl, acldefault('r', c.relowner)) as acl, c.relowner as owner
    from pg_catalog.pg_class as c
    where c.relnamespace = any ($1::text[]::regnamespace[]) and c.relkind in ('r', 'p', 'v', 'm', 'f')
    union all
    select a.attrelid, 'column ' || a.attname, a.attacl, c.relowner
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid
    where c.relnamespace = any ($1::text[]::regnamespace[]) and a.attacl is not null
    union all
    select p.oid, 'function', coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner
    from pg_catalog.pg_proc as p
    where p.pronamespace = any ($1::text[]::regnamespace[])
    union all
    select n.oid, 'schema', coalesce(n.nspacl, acldefault('n', n.nspowner)), n.nspowner
    from pg_catalog.pg_namespace as n
    where n.oid = any ($1::text[]::regnamespace[])
  ) as source
  cross join lateral aclexplode(source.acl) as a
  left join pg_catalog.pg_roles as r on r.oid = a.grantee
  where a.grantee <> source.owner
  group by source.id, source.part
),
grants as (
  select id, string_agg(text, e'\n' order by part) as text from acl group by id
)
select 'function' as kind, format('%I.%I', n.nspname, p.proname) as identity, null::oid as relation,
  pg_catalog.pg_get_userbyid(min(p.proowner)) as owner,
  string_agg(pg_get_functiondef(p.oid) || coalesce(g.text, ''), e'\n' order by p.oid::regprocedure::text) as definition
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
left join grants as g on g.id = p.oid
where p.pronamespace = any ($1::text[]::regnamespace[])
  and p.prokind in ('f', 'p')
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
  )
group by n.nspname, p.proname
union all
select 'trigger', format('%I on %s', t.tgname, format('%I.%I', n.nspname, c.relname)), c.oid,
  pg_catalog.pg_get_userbyid(c.relowner),
  pg_get_triggerdef(t.oid) || case t.tgenabled when 'O' then '' else ' -- enabled: ' || t.tgenabled::text end
from pg_catalog.pg_trigger as t
join pg_catalog.pg_class as c on c.oid = t.tgrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where not t.tgisinternal and t.tgparentid = 0
union all
select 'policy', format('%I on %s', p.polname, format('%I.%I', n.nspname, c.relname)), c.oid,
  pg_catalog.pg_get_userbyid(c.relowner),
  concat_ws(e'\n',
    case when p.polpermissive then 'permissive' else 'restrictive' end,
    'for ' || case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
      when 'd' then 'delete' else 'all' end,
    'to ' || (
      select string_agg(coalesce(r.rolname, 'public'), ', ' order by r.rolname)
      from unnest(p.polroles) as role (oid) left join pg_catalog.pg_roles as r on r.oid = role.oid
    ),
    'using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
    'with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'
  )
from pg_catalog.pg_policy as p
join pg_catalog.pg_class as c on c.oid = p.polrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
union all
select 'grants', format('%I.%I', n.nspname, c.relname), c.oid, pg_catalog.pg_get_userbyid(c.relowner),
  concat_ws(e'\n',
    case when c.relkind in ('r', 'p') then 'row level security ' || case when c.relrowsecurity then 'on' else 'off' end end,
    case when c.relforcerowsecurity then 'forced' end,
    g.text
  )
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join grants as g on g.id = c.oid
where c.relnamespace = any ($1::text[]::regnamespace[])
  and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
union all
select 'grants', 'schema ' || quote_ident(n.nspname), null, pg_catalog.pg_get_userbyid(n.nspowner), coalesce(g.text, '')
from pg_catalog.pg_namespace as n
left join grants as g on g.id = n.oid
where n.oid = any ($1::text[]::regnamespace[])
union all
select 'role', quote_ident(r.rolname), null, 'postgres',
  concat_ws(e'\n',
    concat_ws(' ',
      case when r.rolcanlogin then 'login' else 'nologin' end,
      case when r.rolinherit then 'inherit' else 'noinherit' end,
      case when r.rolbypassrls then 'bypassrls' else 'nobypassrls' end,
      case when r.rolsuper then 'superuser' end,
      case when r.rolcreatedb then 'createdb' end,
      case when r.rolcreaterole then 'createrole' end,
      case when r.rolreplication then 'replication' end
    ),
    (select string_agg(setting, e'\n' order by setting) from unnest(r.rolconfig) as setting),
    (
      select string_agg(format('member of %I%s%s', of.rolname,
        case when m.inherit_option then ' inherit' end, case when m.set_option then ' set' end),
        e'\n' order by of.rolname)
      from pg_catalog.pg_auth_members as m
      join pg_catalog.pg_roles as of on of.oid = m.roleid
      where m.member = r.oid
    )
  )
from pg_catalog.pg_roles as r
where r.rolname not like 'pg\_%'
