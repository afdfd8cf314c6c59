-- Projects. Running this file again changes nothing.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

do $migration$
begin
  if to_regtype('public.project_status') is null then
    create type public.project_status as enum ('active', 'archived');
  end if;

  if to_regclass('public.projects') is null then
    create table public.projects (
      id uuid not null default gen_random_uuid(),
      user_id uuid not null default auth.uid(),
      name text not null check (char_length(name) between 1 and 120),
      description text check (char_length(description) <= 2000),
      template text not null default 'blank' check (char_length(template) between 1 and 64),
      status public.project_status not null default 'active',
      expo_config jsonb not null default '{}'
        check (jsonb_typeof(expo_config) = 'object' and octet_length(expo_config::text) <= 65536),
      sandbox_id text check (char_length(sandbox_id) <= 255),
      deleted_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      constraint projects_pkey primary key (id),
      constraint projects_user_id_fkey foreign key (user_id) references public.profiles (id) on delete cascade
    );
    alter table public.projects enable row level security;
    revoke all on table public.projects from public, anon, authenticated, service_role;
  end if;
end
$migration$;

create unique index if not exists projects_id_user_id_key on public.projects (id, user_id);
create index if not exists projects_user_id_updated_at_idx on public.projects (user_id, updated_at desc);

comment on type public.project_status is 'Whether a project is worked on or put away.';
comment on table public.projects is 'An app that a user builds. Deleting sets deleted_at: offline clients need the tombstone.';
comment on column public.projects.user_id is 'The owner, filled from the signed-in user; the shard key.';
comment on column public.projects.expo_config is 'app.json of the Expo app, at most 64 KiB.';
comment on index public.projects_pkey is 'Serves: one project by id.';
comment on index public.projects_id_user_id_key is 'Serves: the foreign key from coding_sessions, which carries the owner.';
comment on index public.projects_user_id_updated_at_idx is 'Serves: a user''s projects, latest first; the foreign key to profiles; the policies.';

reset client_min_messages;
