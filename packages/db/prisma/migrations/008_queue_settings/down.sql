-- Takes back 008_queue_settings.
-- reference: private.tier_limits

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

do $migration$
begin
  if to_regclass('private.job_attempts') is not null and not exists (
    select from pg_catalog.pg_constraint
    where conrelid = to_regclass('private.job_attempts') and conname = 'job_attempts_job_id_user_id_fkey'
  ) then
    alter table private.job_attempts add constraint job_attempts_job_id_user_id_fkey
      foreign key (job_id, user_id) references public.coding_jobs (id, user_id) on delete cascade;
    comment on index private.job_attempts_pkey is 'Serves: the history of a job; closing an attempt; the foreign key to coding_jobs.';
    comment on index public.coding_jobs_id_user_id_key is 'Serves: the foreign keys from session_events and job_attempts, which carry the owner.';
  end if;
end
$migration$;
alter table if exists private.workers reset (autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor);
alter table if exists public.coding_sessions reset (autovacuum_vacuum_scale_factor);
alter table if exists public.coding_jobs reset (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
alter index if exists public.coding_jobs_session_id_user_id_created_at_idx reset (fillfactor);
alter index if exists public.coding_jobs_id_user_id_key reset (fillfactor);
alter index if exists public.coding_jobs_pkey reset (fillfactor);
create unique index if not exists coding_jobs_one_processing_per_session_key on public.coding_jobs (session_id)
  where status = 'processing';
comment on index public.coding_jobs_one_processing_per_session_key is 'Serves: the rule of one processing job a session; finding expired leases among the few that are processing.';
comment on index public.coding_jobs_open_idx is 'Serves: a user''s pending jobs, oldest first; the limit on a user''s concurrent jobs; the policies.';
drop index if exists public.coding_jobs_processing_key;
drop index if exists public.coding_jobs_failed_idx;
drop index if exists public.projects_sandbox_id_idx;
drop index if exists public.coding_sessions_sandbox_id_idx;
alter table if exists private.workers drop column if exists idle_since;
alter table if exists private.tier_limits
  drop column if exists max_budget_usd, drop column if exists max_turns, drop column if exists model;

reset client_min_messages;
