-- The job queue. Running this file again changes nothing.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

do $migration$
begin
  if to_regtype('public.job_status') is null then
    create type public.job_status as enum ('pending', 'processing', 'completed', 'failed', 'cancelled');
  end if;

  if to_regclass('public.coding_jobs') is null then
    create table public.coding_jobs (
      id uuid not null default gen_random_uuid(),
      user_id uuid not null default auth.uid(),
      session_id uuid not null,
      prompt text not null check (char_length(prompt) between 1 and 32000),
      status public.job_status not null default 'pending',
      priority smallint not null default 0 check (priority between -100 and 100),
      attempt integer not null default 0 check (attempt >= 0),
      max_attempts integer not null default 3 check (max_attempts between 1 and 20),
      available_at timestamptz not null default now(),
      claimed_at timestamptz,
      worker_id text check (char_length(worker_id) between 1 and 200),
      lease_expires_at timestamptz,
      cancel_requested_at timestamptz,
      idempotency_key text check (char_length(idempotency_key) between 1 and 200),
      result jsonb check (octet_length(result::text) <= 65536),
      error_code text check (char_length(error_code) between 1 and 64),
      error_message text check (char_length(error_message) <= 2000),
      completed_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      constraint coding_jobs_pkey primary key (id),
      constraint coding_jobs_session_id_user_id_fkey foreign key (session_id, user_id)
        references public.coding_sessions (id, user_id) on delete cascade,
      constraint coding_jobs_lease_check
        check ((status = 'processing') = (lease_expires_at is not null)),
      constraint coding_jobs_completed_at_check
        check ((status in ('completed', 'failed', 'cancelled')) = (completed_at is not null))
      -- Heartbeats update lease_expires_at alone: room on the page and no index on that column keep them HOT.
    ) with (fillfactor = 80);
    alter table public.coding_jobs enable row level security;
    revoke all on table public.coding_jobs from public, anon, authenticated, service_role;
  end if;
end
$migration$;

create unique index if not exists coding_jobs_id_user_id_key on public.coding_jobs (id, user_id);
create unique index if not exists coding_jobs_user_id_idempotency_key_key
  on public.coding_jobs (user_id, idempotency_key);
create unique index if not exists coding_jobs_one_processing_per_session_key on public.coding_jobs (session_id)
  where status = 'processing';
create index if not exists coding_jobs_session_id_user_id_created_at_idx
  on public.coding_jobs (session_id, user_id, created_at desc);
create index if not exists coding_jobs_claim_idx on public.coding_jobs (priority desc, created_at, id)
  where status = 'pending';
create index if not exists coding_jobs_open_idx on public.coding_jobs (user_id, created_at)
  where status in ('pending', 'processing');

comment on type public.job_status is 'The life of a job: pending, processing (under a lease), then one of three ends.';
comment on table public.coding_jobs is 'One prompt to run. Enqueueing is a plain insert; (worker_id, attempt) is the fencing token of a claim.';
comment on column public.coding_jobs.user_id is 'The owner, filled from the signed-in user; the shard key.';
comment on column public.coding_jobs.attempt is 'How often the job was claimed; a release at shutdown does not count.';
comment on column public.coding_jobs.available_at is 'Not claimed before this time: a delay, or the backoff of a retry.';
comment on column public.coding_jobs.idempotency_key is 'The client''s own key: inserting it twice gives one job.';
comment on column public.coding_jobs.error_message is 'One line that the user may read; the full error is in private.job_attempts.';
comment on index public.coding_jobs_pkey is 'Serves: one job by id; every fenced write of a worker.';
comment on index public.coding_jobs_id_user_id_key is 'Serves: the foreign keys from session_events and job_attempts, which carry the owner.';
comment on index public.coding_jobs_user_id_idempotency_key_key is 'Serves: a repeated insert after a lost answer; unique for each user.';
comment on index public.coding_jobs_one_processing_per_session_key is 'Serves: the rule of one processing job a session; finding expired leases among the few that are processing.';
comment on index public.coding_jobs_session_id_user_id_created_at_idx is 'Serves: a session''s jobs, latest first; the foreign key to coding_sessions.';
comment on index public.coding_jobs_claim_idx is 'Serves: claim_jobs, in its order: priority, then age.';
comment on index public.coding_jobs_open_idx is 'Serves: a user''s pending jobs, oldest first; the limit on a user''s concurrent jobs; the policies.';

reset client_min_messages;
