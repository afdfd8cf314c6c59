-- requires: private.tier_limits
create or replace function private.retry_delay(p_attempt integer)
returns interval
language sql
volatile
set search_path = '', pg_temp
as $$
  -- 2, 4, 8 … seconds, at most 5 minutes; the upper half is jitter, so that jobs that failed together part.
  select least(2 ^ least(p_attempt, 16), 300) * (0.5 + random() / 2) * interval '1 second'
$$;

comment on function private.retry_delay(integer) is 'Exponential backoff with jitter before the next attempt.';

revoke all on function private.retry_delay(integer) from public, anon, authenticated, service_role;
