-- Takes back 006_job_attempts.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

drop table if exists private.job_attempts cascade;
drop table if exists private.workers cascade;
drop type if exists private.attempt_outcome cascade;

reset client_min_messages;
