-- Coding sessions. Running this file again changes nothing.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

do $migration$
begin
  if to_regtype('public.session_status') is null then
    create type public.session_status as enum
      ('pending', 'active', 'completed', 'failed', 'expired', 'cancelled');
  end if;

  if to_regclass('public.coding_sessions') is null then
    create table public.coding_sessions (
      id uuid not null default gen_random_uuid(),
      user_id uuid not null default auth.uid(),
      project_id uuid not null,
      status public.session_status not null default 'pending',
      sandbox_id text check (char_length(sandbox_id) <= 255),
      eas_update_url text check (char_length(eas_update_url) <= 2048),
      webview_url text check (char_length(webview_url) <= 2048),
      storage_prefix text check (char_length(storage_prefix) <= 1024),
      metadata jsonb not null default '{}'
        check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 262144),
      expires_at timestamptz,
      last_activity_at timestamptz not null default now(),
      started_at timestamptz,
      ended_at timestamptz,
      last_event_seq bigint not null default 0 check (last_event_seq >= 0),
      deleted_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      constraint coding_sessions_pkey primary key (id),
      constraint coding_sessions_project_id_user_id_fkey foreign key (project_id, user_id)
        references public.projects (id, user_id) on delete cascade
      -- Every batch of events updates last_event_seq and last_activity_at: room on the page keeps that HOT,
      -- and no index may hold either column.
    ) with (fillfactor = 80);
    alter table public.coding_sessions enable row level security;
    revoke all on table public.coding_sessions from public, anon, authenticated, service_role;
  end if;
end
$migration$;

create unique index if not exists coding_sessions_id_user_id_key on public.coding_sessions (id, user_id);
create index if not exists coding_sessions_project_id_user_id_created_at_idx
  on public.coding_sessions (project_id, user_id, created_at desc);
create index if not exists coding_sessions_user_id_created_at_idx
  on public.coding_sessions (user_id, created_at desc);
create index if not exists coding_sessions_open_idx on public.coding_sessions (user_id)
  where status in ('pending', 'active');

comment on type public.session_status is 'The life of a session: pending, active, then one of four ends.';
comment on table public.coding_sessions is 'A conversation with the agent about one project, with a sandbox of its own while active.';
comment on column public.coding_sessions.user_id is 'The owner, filled from the signed-in user; the shard key.';
comment on column public.coding_sessions.metadata is 'Paths of the session''s files and the agent''s conversation id, at most 256 KiB.';
comment on column public.coding_sessions.last_event_seq is 'The seq of the newest event; appending locks this row, so that seq has no gap.';
comment on index public.coding_sessions_pkey is 'Serves: one session by id; the lock that appending events takes.';
comment on index public.coding_sessions_id_user_id_key is 'Serves: the foreign keys from coding_jobs and session_events, which carry the owner.';
comment on index public.coding_sessions_project_id_user_id_created_at_idx is 'Serves: a project''s sessions, latest first; the foreign key to projects.';
comment on index public.coding_sessions_user_id_created_at_idx is 'Serves: a user''s sessions, latest first; the policies.';
comment on index public.coding_sessions_open_idx is 'Serves: a user''s active sessions; the limit on them; finding expired ones among the few that are open.';

reset client_min_messages;
