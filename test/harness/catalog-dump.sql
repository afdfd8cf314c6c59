-- Everything outside the system's schemas that makes up a schema, a line each, oids left out.
select string_agg(line, e'\n' order by line) as dump from (
  select format('schema %I owner %s acl %s comment %s', n.nspname, pg_get_userbyid(n.nspowner), n.nspacl, obj_description(n.oid, 'pg_namespace')) as line
  from pg_namespace as n where n.nspname !~ '^(pg_|information_schema)'
  union all
  select format('relation %s kind %s owner %s rls %s force %s acl %s options %s bound %s comment %s',
    c.oid::regclass, c.relkind, pg_get_userbyid(c.relowner), c.relrowsecurity, c.relforcerowsecurity,
    (select string_agg(a::text, ',' order by a::text) from unnest(c.relacl) as a), c.reloptions,
    pg_get_expr(c.relpartbound, c.oid), obj_description(c.oid, 'pg_class'))
  from pg_class as c where c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
  union all
  -- In the order of the columns, but not by attnum: a dropped column leaves a hole.
  select format('column %s.%I %s #%s not null %s default %s generated %s acl %s comment %s',
    c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod),
    row_number() over (partition by c.oid order by a.attnum), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
    a.attgenerated, (select string_agg(x::text, ',' order by x::text) from unnest(a.attacl) as x), col_description(c.oid, a.attnum))
  from pg_attribute as a
  join pg_class as c on c.oid = a.attrelid
  left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)' and c.relkind in ('r', 'p', 'v', 'm')
    and a.attnum > 0 and not a.attisdropped
  union all
  select format('index %s %s', i.indexrelid::regclass, pg_get_indexdef(i.indexrelid))
  from pg_index as i join pg_class as c on c.oid = i.indexrelid
  where c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
  union all
  select format('constraint %I on %s %s', k.conname, k.conrelid::regclass, pg_get_constraintdef(k.oid))
  from pg_constraint as k where k.connamespace::regnamespace::text !~ '^(pg_|information_schema)'
  union all
  select format('trigger %s', pg_get_triggerdef(t.oid)) from pg_trigger as t where not t.tgisinternal
  union all
  select format('policy %I on %s %s %s to %s using %s check %s comment %s', p.polname, p.polrelid::regclass, p.polcmd,
    p.polpermissive, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
    obj_description(p.oid, 'pg_policy'))
  from pg_policy as p
  union all
  select format('function %s owner %s acl %s comment %s', pg_get_functiondef(p.oid), pg_get_userbyid(p.proowner),
    (select string_agg(a::text, ',' order by a::text) from unnest(p.proacl) as a), obj_description(p.oid, 'pg_proc'))
  from pg_proc as p
  where p.pronamespace::regnamespace::text !~ '^(pg_|information_schema)' and p.prokind in ('f', 'p')
  union all
  select format('type %s labels %s comment %s', t.oid::regtype,
    (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum as e where e.enumtypid = t.oid),
    obj_description(t.oid, 'pg_type'))
  from pg_type as t where t.typtype = 'e'
  union all
  select format('role %s', to_jsonb(r) - 'oid') from pg_roles as r where r.rolname !~ '^pg_'
  union all
  select format('member %s of %s inherit %s set %s', m.member::regrole, m.roleid::regrole, m.inherit_option, m.set_option)
  from pg_auth_members as m where m.member::regrole::text !~ '^pg_'
  union all
  select format('default privileges %s %s %s %s', d.defaclrole::regrole, d.defaclnamespace::regnamespace, d.defaclobjtype, d.defaclacl)
  from pg_default_acl as d
  union all
  select format('bucket %s', to_jsonb(b) - 'created_at' - 'updated_at') from storage.buckets as b
) as lines
