-- Takes back 004_coding_jobs.
drop table if exists public.coding_jobs cascade;
drop type if exists public.job_status cascade;
