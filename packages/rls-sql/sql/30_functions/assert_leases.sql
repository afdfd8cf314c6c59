-- requires: public.coding_jobs
create or replace function private.assert_leases(p_worker_id text, p_job_ids uuid[], p_attempts integer[])
returns void
language plpgsql
set search_path = '', pg_temp
as $$
declare
  v_lost uuid[];
begin
  if cardinality(p_job_ids) is distinct from cardinality(p_attempts) then
    raise exception 'job ids and attempts differ in number' using errcode = 'invalid_parameter_value';
  end if;

  -- In one order, so that two batches cannot deadlock.
  with locked as materialized (
    select j.id, j.attempt, j.worker_id, j.status
    from public.coding_jobs as j
    where j.id = any (p_job_ids)
    order by j.id
    for no key update
  )
  select array_agg(t.job_id) into v_lost
  from unnest(p_job_ids, p_attempts) as t (job_id, attempt)
  where not exists (
    select from locked as l
    where l.id = t.job_id and l.attempt = t.attempt and l.worker_id = p_worker_id and l.status = 'processing'
  );
  perform private.refuse_lost(v_lost);
end
$$;

comment on function private.assert_leases(text, uuid[], integer[]) is
  'Locks the jobs and raises lease_lost (MV001, detail: the lost job ids) unless this worker holds each at this attempt.';

revoke all on function private.assert_leases(text, uuid[], integer[]) from public, anon, authenticated, service_role;
