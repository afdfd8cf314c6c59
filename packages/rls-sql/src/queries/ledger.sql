create schema if not exists rls_sql;
comment on schema rls_sql is 'Ledger of the SQL layer: which files were applied and what they made.';

create table if not exists rls_sql.files (
  path text primary key,
  checksum text not null,
  down_sql text,
  applied_at timestamptz not null default now(),
  applied_by text not null
);
comment on table rls_sql.files is 'Every file of the SQL layer that is in force, and the version of the package that applied it.';

create table if not exists rls_sql.objects (
  kind text not null,
  identity text not null,
  path text not null references rls_sql.files (path) on delete cascade,
  definition text not null,
  relation oid,
  primary key (kind, identity)
);
comment on table rls_sql.objects is 'What each file declares, as the catalog showed it right after the file was applied.';

create index if not exists objects_path_idx on rls_sql.objects (path);
comment on index rls_sql.objects_path_idx is 'Serves: the objects of one file; the foreign key to files.';

revoke all on schema rls_sql from public, anon, authenticated, service_role;
revoke all on all tables in schema rls_sql from public, anon, authenticated, service_role;
alter table rls_sql.files enable row level security;
alter table rls_sql.objects enable row level security;
