-- The records of the queue: each attempt at a job, and the workers. Running this file again changes nothing.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

do $migration$
begin
  if to_regtype('private.attempt_outcome') is null then
    create type private.attempt_outcome as enum
      ('completed', 'failed', 'retried', 'released', 'expired', 'cancelled');
  end if;

  if to_regclass('private.job_attempts') is null then
    create table private.job_attempts (
      job_id uuid not null,
      user_id uuid not null,
      attempt integer not null check (attempt > 0),
      worker_id text not null check (char_length(worker_id) between 1 and 200),
      started_at timestamptz not null default now(),
      ended_at timestamptz,
      outcome private.attempt_outcome,
      error_code text check (char_length(error_code) between 1 and 64),
      error text check (octet_length(error) <= 65536),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      constraint job_attempts_pkey primary key (job_id, user_id, attempt),
      constraint job_attempts_job_id_user_id_fkey foreign key (job_id, user_id)
        references public.coding_jobs (id, user_id) on delete cascade,
      constraint job_attempts_outcome_check check ((ended_at is null) = (outcome is null))
    ) with (fillfactor = 90);
    alter table private.job_attempts enable row level security;
    revoke all on table private.job_attempts from public, anon, authenticated, service_role;
  end if;

  if to_regclass('private.workers') is null then
    create table private.workers (
      id text not null check (char_length(id) between 1 and 200),
      hostname text not null check (char_length(hostname) <= 255),
      pid integer not null,
      version text not null check (char_length(version) <= 64),
      started_at timestamptz not null default now(),
      last_seen_at timestamptz not null default now(),
      stopped_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      constraint workers_pkey primary key (id)
    ) with (fillfactor = 50);
    alter table private.workers enable row level security;
    revoke all on table private.workers from public, anon, authenticated, service_role;
  end if;
end
$migration$;

comment on type private.attempt_outcome is 'How an attempt ended: retried means it failed and the job waits for another.';
comment on table private.job_attempts is 'Every attempt at a job: who ran it, when, and how it ended, with the full error.';
comment on table private.workers is 'Every worker process that registered, and when it was last seen.';
comment on index private.job_attempts_pkey is 'Serves: the history of a job; closing an attempt; the foreign key to coding_jobs.';
comment on index private.workers_pkey is 'Serves: a worker''s own row, at registration and at each heartbeat.';

reset client_min_messages;
