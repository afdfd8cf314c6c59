-- requires: public.coding_jobs, private.job_attempts
-- Security definer: a worker writes through fenced functions only.
create or replace function private.reap_expired_jobs()
returns integer
language plpgsql
security definer
set search_path = '', pg_temp
as $$
declare
  v_expired uuid[];
begin
  with expired as materialized (
    select j.id from public.coding_jobs as j
    where j.status = 'processing' and j.lease_expires_at < now()
    order by j.id
    for no key update skip locked
  )
  select coalesce(array_agg(id), '{}') into v_expired from expired;

  perform private.end_attempts(
    v_expired,
    array_fill('lease_expired'::text, array[cardinality(v_expired)]),
    array_fill('The worker stopped answering.'::text, array[cardinality(v_expired)]),
    array_fill(true, array[cardinality(v_expired)]),
    'expired'
  );
  return cardinality(v_expired);
end
$$;

comment on function private.reap_expired_jobs() is
  'Takes back jobs whose lease ran out: pending again while attempts are left, else failed. Returns how many.';

revoke all on function private.reap_expired_jobs() from public, anon, authenticated, service_role;
grant execute on function private.reap_expired_jobs() to service_role, mobvibe_worker;
