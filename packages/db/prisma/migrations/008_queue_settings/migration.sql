-- What the agent may spend by tier, and what the queue needs to stay fast. Running this file again changes nothing.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

do $migration$
begin
  if not exists (
    select from pg_catalog.pg_attribute
    where attrelid = 'private.tier_limits'::regclass and attname = 'max_turns' and not attisdropped
  ) then
    alter table private.tier_limits
      add column model text check (char_length(model) between 1 and 100),
      add column max_turns integer not null default 30 check (max_turns > 0),
      add column max_budget_usd numeric(10, 2) not null default 1 check (max_budget_usd > 0);
    update private.tier_limits as l
    set max_turns = v.max_turns, max_budget_usd = v.max_budget_usd
    from (values
      ('pro'::public.tier, 100, 5), ('team', 150, 10), ('enterprise', 300, 25)
    ) as v (tier, max_turns, max_budget_usd)
    where v.tier = l.tier;
  end if;
end
$migration$;

alter table private.workers add column if not exists idle_since timestamptz;

create index if not exists coding_sessions_sandbox_id_idx on public.coding_sessions (sandbox_id)
  where sandbox_id is not null;
create index if not exists projects_sandbox_id_idx on public.projects (sandbox_id)
  where sandbox_id is not null;
create index if not exists coding_jobs_failed_idx on public.coding_jobs (completed_at)
  where status = 'failed';
-- Only the queue's functions write attempts, in the statement that ends them on the locked job: the check of a
-- foreign key would find nothing, and costs a third of ending a job. A trigger of the SQL layer deletes them with it.
alter table private.job_attempts drop constraint if exists job_attempts_job_id_user_id_fkey;

-- With the user first it also counts what of a user is running, without touching what waits.
create unique index if not exists coding_jobs_processing_key on public.coding_jobs (user_id, session_id)
  where status = 'processing';
drop index if exists public.coding_jobs_one_processing_per_session_key;
-- A job is updated twice while the status stands in partial indexes, so each time it gets new index entries. Ids
-- grow with time: half-filled pages have room for those entries, where full ones would be split or searched for
-- dead ones.
alter index public.coding_jobs_pkey set (fillfactor = 50);
alter index public.coding_jobs_id_user_id_key set (fillfactor = 50);
alter index public.coding_jobs_session_id_user_id_created_at_idx set (fillfactor = 50);
-- Dead rows at the head of the queue cost every claim: they go before they are a fiftieth of the table, where the
-- default waits for a fifth.
alter table public.coding_jobs set (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02
);
-- Written at every batch of events, at every claim, and few.
alter table public.coding_sessions set (autovacuum_vacuum_scale_factor = 0.02);
alter table private.workers set (autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0);

comment on column private.tier_limits.model is 'The model that writes the app; null: the worker''s default.';
comment on column private.tier_limits.max_turns is 'Turns of the agent in one job.';
comment on column private.tier_limits.max_budget_usd is 'What one job may cost at the model, in US dollars.';
comment on column private.workers.idle_since is 'Since when the worker has had a free place and found no job: only then must an insert wake it. Null while it is full.';
comment on index public.coding_sessions_sandbox_id_idx is 'Serves: the session of a sandbox, when a sandbox is ended.';
comment on index public.projects_sandbox_id_idx is 'Serves: the project of a sandbox, when a sandbox is ended.';
comment on index private.job_attempts_pkey is 'Serves: the history of a job; what became of an attempt; deleting both with the job.';
comment on index public.coding_jobs_id_user_id_key is 'Serves: the foreign key from session_events, which carries the owner.';
comment on index public.coding_jobs_processing_key is 'Serves: the rule of one processing job a session; the limit on a user''s concurrent jobs; finding expired leases among the few that are processing.';
comment on index public.coding_jobs_open_idx is 'Serves: a user''s pending and running jobs, oldest first; the policies.';
comment on index public.coding_jobs_failed_idx is 'Serves: what failed lately, for the operator who puts it back into the queue.';

reset client_min_messages;
