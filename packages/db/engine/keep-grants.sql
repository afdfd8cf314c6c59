-- The statements that give every schema the owner and the privileges it has now, default privileges included. Prisma's reset
-- drops and creates schemas, and with them what the platform granted on them.
with role_names as (
  select 0::oid as oid, 'public' as name
  union all
  select oid, quote_ident(rolname) from pg_catalog.pg_roles
),
owners as (
  select format('alter schema %I owner to %s', n.nspname, owner.name) as statement, n.nspname as schema, 1 as rank
  from pg_catalog.pg_namespace n
  join role_names owner on owner.oid = n.nspowner
),
schema_grants as (
  select
    format('grant %s on schema %I to %s', lower(acl.privilege_type), n.nspname, grantee.name) as statement,
    n.nspname as schema,
    2 as rank
  from pg_catalog.pg_namespace n
  cross join aclexplode(n.nspacl) acl
  join role_names grantee on grantee.oid = acl.grantee
  where acl.grantee <> n.nspowner
),
default_grants as (
  select
    format(
      'alter default privileges for role %s in schema %I grant %s on %s to %s',
      owner.name,
      n.nspname,
      lower(acl.privilege_type),
      case d.defaclobjtype
        when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types'
      end,
      grantee.name
    ) as statement,
    n.nspname as schema,
    2 as rank
  from pg_catalog.pg_default_acl d
  join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace
  join role_names owner on owner.oid = d.defaclrole
  cross join aclexplode(d.defaclacl) acl
  join role_names grantee on grantee.oid = acl.grantee
  -- Another role's default privileges can only be set by a member of that role.
  where pg_has_role(d.defaclrole, 'member')
)
select statement, schema from (table owners union all table schema_grants union all table default_grants)
order by rank
