-- requires: private.workers.idle_since, public.coding_jobs
create or replace trigger coding_jobs_notify_workers after insert on public.coding_jobs
  for each statement execute function private.notify_workers();
comment on trigger coding_jobs_notify_workers on public.coding_jobs is 'Wakes idle workers.';
