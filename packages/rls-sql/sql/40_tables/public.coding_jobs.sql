-- requires: public.coding_jobs
create or replace trigger coding_jobs_set_updated_at before update on public.coding_jobs
  for each row when (new.updated_at is distinct from now()) execute function private.set_updated_at();
comment on trigger coding_jobs_set_updated_at on public.coding_jobs is 'Stamps updated_at.';

create or replace trigger coding_jobs_enforce_limits after insert on public.coding_jobs
  referencing new table as enqueued
  for each statement execute function private.enforce_job_limits();
comment on trigger coding_jobs_enforce_limits on public.coding_jobs is 'Jobs a month, priority, and an open session.';

create or replace trigger coding_jobs_cancel before update of cancel_requested_at on public.coding_jobs
  for each row
  when (new.cancel_requested_at is distinct from old.cancel_requested_at)
  execute function private.cancel_job();
comment on trigger coding_jobs_cancel on public.coding_jobs is 'A pending job is cancelled at once.';

-- The whole state machine stands in the condition: a legal step calls no function.
create or replace trigger coding_jobs_refuse_transition before update of status on public.coding_jobs
  for each row
  when (
    old.status is distinct from new.status
    and not (old.status = 'pending' and new.status in ('processing', 'cancelled'))
    and not (old.status = 'processing')
    and not (old.status = 'failed' and new.status = 'pending')
  )
  execute function private.refuse_transition('a job');
comment on trigger coding_jobs_refuse_transition on public.coding_jobs is 'The state machine of a job; failed to pending is a requeue.';

-- On the parent, but of no use, and not to be made, before this table exists.
create or replace trigger coding_sessions_cancel_jobs after update of status, deleted_at on public.coding_sessions
  for each row
  when (old.status in ('pending', 'active') and new.status not in ('pending', 'active'))
  execute function private.cancel_jobs_of_session();
comment on trigger coding_sessions_cancel_jobs on public.coding_sessions is 'The jobs of a session end with it.';

drop policy if exists "Users read their own jobs" on public.coding_jobs;
create policy "Users read their own jobs" on public.coding_jobs
  for select to authenticated
  using (user_id = (select auth.uid()));
comment on policy "Users read their own jobs" on public.coding_jobs is 'All columns of own rows.';

drop policy if exists "Users enqueue jobs in their own sessions" on public.coding_jobs;
create policy "Users enqueue jobs in their own sessions" on public.coding_jobs
  for insert to authenticated
  with check (user_id = (select auth.uid()));
comment on policy "Users enqueue jobs in their own sessions" on public.coding_jobs is 'The foreign key carries user_id, so the session is the own one.';

drop policy if exists "Users ask to cancel their own jobs" on public.coding_jobs;
create policy "Users ask to cancel their own jobs" on public.coding_jobs
  for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
comment on policy "Users ask to cancel their own jobs" on public.coding_jobs is 'The column is bounded by the grant: cancel_requested_at.';

revoke all on table public.coding_jobs
  from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
grant select on table public.coding_jobs to authenticated;
grant insert (id, session_id, prompt, priority, idempotency_key) on table public.coding_jobs to authenticated;
grant update (cancel_requested_at) on table public.coding_jobs to authenticated;
grant select, insert, update, delete on table public.coding_jobs to service_role;
grant select on table public.coding_jobs to mobvibe_worker;
