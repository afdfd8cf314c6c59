-- requires: public.coding_jobs
create or replace function private.add_usage(p_job_ids uuid[], p_tokens bigint[])
returns void
language plpgsql
set search_path = '', pg_temp
as $$
begin
  if not (0 < any (p_tokens)) then
    return;
  end if;

  -- Locks in the order profile, project, session, job, as everywhere: this comes before the jobs are touched.
  with owners as materialized (
    select u.id, s.tokens
    from (
      select j.user_id, sum(t.tokens) as tokens
      from unnest(p_job_ids, p_tokens) as t (id, tokens)
      join public.coding_jobs as j on j.id = t.id
      where t.tokens > 0
      group by j.user_id
    ) as s
    join public.profiles as u on u.id = s.user_id
    order by u.id
    for no key update of u
  )
  update public.profiles as u
  set tokens_used = u.tokens_used + o.tokens
  from owners as o
  where u.id = o.id;
end
$$;

comment on function private.add_usage(uuid[], bigint[]) is 'Adds the tokens that attempts spent to the usage of the jobs'' owners.';

revoke all on function private.add_usage(uuid[], bigint[]) from public, anon, authenticated, service_role;
