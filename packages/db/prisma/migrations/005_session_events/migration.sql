-- Session events, partitioned by month from the start. Running this file again changes nothing.
-- The months themselves are made by private.ensure_event_partitions (SQL layer); until then, and for any time
-- without a month of its own, the default partition takes the rows.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

create schema if not exists partitions;
comment on schema partitions is 'Children of partitioned tables. No API exposes it: a child would ignore its parent''s policies.';

do $migration$
begin
  if to_regtype('public.session_event_type') is null then
    create type public.session_event_type as enum (
      'thinking', 'message', 'terminal', 'file_change', 'tool_use', 'preview_ready', 'status', 'error',
      'completed'
    );
  end if;

  if to_regclass('public.session_events') is null then
    create table public.session_events (
      session_id uuid not null,
      user_id uuid not null,
      seq bigint not null check (seq > 0),
      created_at timestamptz not null default now(),
      job_id uuid not null,
      type public.session_event_type not null,
      payload jsonb not null default '{}'
        check (jsonb_typeof(payload) = 'object' and octet_length(payload::text) <= 65536),
      -- user_id before seq, so that the one index serves the foreign key and every policy as well.
      constraint session_events_pkey primary key (session_id, user_id, seq, created_at),
      constraint session_events_session_id_user_id_fkey foreign key (session_id, user_id)
        references public.coding_sessions (id, user_id) on delete cascade,
      constraint session_events_job_id_user_id_fkey foreign key (job_id, user_id)
        references public.coding_jobs (id, user_id) on delete cascade
    ) partition by range (created_at);
    alter table public.session_events enable row level security;
    revoke all on table public.session_events from public, anon, authenticated, service_role;

    create table partitions.session_events_default partition of public.session_events default;
    alter table partitions.session_events_default enable row level security;
    revoke all on table partitions.session_events_default from public, anon, authenticated, service_role;
  end if;
end
$migration$;

create index if not exists session_events_job_id_user_id_idx on public.session_events (job_id, user_id);

comment on type public.session_event_type is 'What kind of thing the agent did.';
comment on table public.session_events is 'What the agent did, in order. Append-only; range-partitioned by created_at, a month each.';
comment on column public.session_events.seq is 'Ascending and without a gap within a session, from 1.';
comment on column public.session_events.payload is 'The event itself, at most 64 KiB; no personal data.';
comment on table partitions.session_events_default is 'Takes events for which no month exists, so that none is ever refused.';
comment on index public.session_events_pkey is 'Serves: a session''s events after a seq, and its recent ones; the foreign key to coding_sessions; the policies.';
comment on index public.session_events_job_id_user_id_idx is 'Serves: the events of one job; the foreign key to coding_jobs.';

reset client_min_messages;
