-- requires: public.coding_jobs
-- Security definer: pg_stat_statements shows the texts of others to members of pg_read_all_stats only, as its owner
-- is; whoever may call this gets those of our roles in this database. A statement that is kept in the code of a
-- program has no values in it: pg_stat_statements puts $1 in their place. It does not where it lost the entry between
-- parsing and executing, or in commands such as alter role … password '…'. So only what reads or writes rows is shown,
-- without comments, and what is a value still becomes ?.
create or replace function private.slow_queries(p_limit integer default 20, p_order text default 'total')
returns table (
  query_id text, role text, calls bigint, mean_ms double precision, stddev_ms double precision,
  max_ms double precision, total_ms double precision, share double precision, rows_per_call double precision,
  blocks_hit bigint, blocks_read bigint, query text
)
language plpgsql
stable
security definer
set search_path = '', pg_temp
as $$
declare
  -- A text as SQL writes it. What stands in dollars ends at the last of them: rather too much than too little.
  v_text constant text := '[eE]''(?:[^''\\]|\\.|'''')*''|''(?:[^'']|'''')*''|\$(?:[[:alpha:]_]\w*)?\$.*\$(?:[[:alpha:]_]\w*)?\$';
  v_schema name := (
    select n.nspname
    from pg_catalog.pg_extension as e
    join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
    where e.extname = 'pg_stat_statements'
  );
begin
  if v_schema is null then
    raise exception 'the extension pg_stat_statements is not installed' using
      errcode = 'feature_not_supported',
      hint = 'As postgres: create extension pg_stat_statements with schema extensions';
  end if;

  -- By format: where the extension lives is the platform's choice.
  return query execute format(
    $query$
      with statement as materialized (
        select s.*, sum(s.total_exec_time) over () as of_all
        from %I.pg_stat_statements as s
        where s.dbid = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
          and s.toplevel
      )
      select s.queryid::text, r.rolname::text, s.calls, s.mean_exec_time, s.stddev_exec_time, s.max_exec_time,
        s.total_exec_time, s.total_exec_time / nullif(s.of_all, 0), s.rows / s.calls::double precision,
        s.shared_blks_hit, s.shared_blks_read,
        case when length(shown.query) > 500 then left(shown.query, 499) || '…' else shown.query end
      from statement as s
      join pg_catalog.pg_roles as r on r.oid = s.userid
      -- Texts and quoted names are read over, so that what looks like a comment in one is none.
      cross join lateral regexp_replace(s.query, $3 || '|/\*([^*]|\*+[^*/])*\*+/|--[^\n]*', '\1', 'g')
        as uncommented (query)
      cross join lateral (
        select trim(regexp_replace(
          regexp_replace(regexp_replace(uncommented.query, $4, '?', 'g'), '(?<![\w$."])\d[\w.]*', '?', 'g'),
          '\s+', ' ', 'g'
        )) as query
      ) as shown
      where r.rolname in ('mobvibe_app', 'mobvibe_worker', 'anon', 'authenticated', 'service_role')
        and uncommented.query ~* '^[\s(]*(select|insert|update|delete|merge|with|values)\y'
        and s.calls > 0
      order by case $2 when 'mean' then s.mean_exec_time when 'calls' then s.calls else s.total_exec_time end desc,
        s.queryid
      limit $1
    $query$,
    v_schema
  ) using p_limit, p_order, format('(%s|"[^"]*")', v_text), v_text;
end
$$;

comment on function private.slow_queries(integer, text) is
  'The statements of our roles in this database that took longest, from pg_stat_statements: by total time, mean or calls; texts without values, at most 500 characters. Raises 0A000 where the extension is missing.';

revoke all on function private.slow_queries(integer, text) from public, anon, authenticated, service_role;
grant execute on function private.slow_queries(integer, text) to service_role, mobvibe_worker;
