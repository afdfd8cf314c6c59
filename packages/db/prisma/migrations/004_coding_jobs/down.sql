-- Takes back 004_coding_jobs.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

drop table if exists public.coding_jobs cascade;
drop type if exists public.job_status cascade;

reset client_min_messages;
