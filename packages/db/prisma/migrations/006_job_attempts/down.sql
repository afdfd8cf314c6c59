-- Takes back 006_job_attempts.
drop table if exists private.job_attempts cascade;
drop table if exists private.workers cascade;
drop type if exists private.attempt_outcome cascade;
