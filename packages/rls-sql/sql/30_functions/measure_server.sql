-- requires: public.coding_jobs
-- Only what the server keeps in memory anyway, of this database where it has a database.
create or replace function private.measure_server()
returns table (check_name text, subject text, value double precision)
language sql
stable
set search_path = '', pg_temp
as $$
  with client as materialized (
    select a.pid, a.usename, a.datname, a.state, a.xact_start, a.backend_type, a.backend_xmin
    from pg_catalog.pg_stat_activity as a
    where a.pid <> pg_backend_pid()
  )
  select 'connections', null,
    greatest(
      d.server::double precision / (
        current_setting('max_connections')::integer
          - current_setting('superuser_reserved_connections')::integer
          - current_setting('reserved_connections')::integer
      ),
      case when d.connection_limit > 0 then d.here::double precision / d.connection_limit end
    )
  from (
    select sum(s.numbackends) as server,
      sum(s.numbackends) filter (where s.datname = current_database()) as here,
      (select b.datconnlimit from pg_catalog.pg_database as b where b.datname = current_database())
        as connection_limit
    from pg_catalog.pg_stat_database as s
  ) as d
  union all
  select 'oldest_transaction', format('pid %s, %s, %s', c.pid, c.usename, c.state),
    extract(epoch from clock_timestamp() - c.xact_start)
  from client as c
  where c.datname = current_database() and c.backend_type = 'client backend' and c.xact_start is not null
  union all
  select 'oldest_prepared_transaction', p.gid, extract(epoch from clock_timestamp() - p.prepared)
  from pg_catalog.pg_prepared_xacts as p
  where p.database = current_database()
  union all
  select 'snapshot_age', holder.name, age(holder.xmin)
  from (
    select format('pid %s, %s', c.pid, coalesce(c.usename, c.backend_type)) as name, c.backend_xmin as xmin
    from client as c
    -- A vacuum holds nobody back.
    where coalesce(c.datname, current_database()) = current_database() and c.backend_type <> 'autovacuum worker'
    union all
    select 'slot ' || s.slot_name, held.xmin
    from pg_catalog.pg_replication_slots as s
    cross join lateral (values (s.xmin), (s.catalog_xmin)) as held (xmin)
    where coalesce(s.database, current_database()) = current_database()
    union all
    select 'prepared ' || p.gid, p.transaction
    from pg_catalog.pg_prepared_xacts as p
    where p.database = current_database()
  ) as holder
  where holder.xmin is not null
  union all
  select 'transaction_id_usage', d.datname, greatest(age(d.datfrozenxid), mxid_age(d.datminmxid)) / 2 ^ 31
  from pg_catalog.pg_database as d
  union all
  select 'replication_slot_lag', s.slot_name, pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)
  from pg_catalog.pg_replication_slots as s
  where s.restart_lsn is not null
  union all
  -- Of fewer reads the share says nothing.
  select 'cache_hits', null, s.blks_hit::double precision / (s.blks_hit + s.blks_read)
  from pg_catalog.pg_stat_database as s
  where s.datname = current_database() and s.blks_read >= 10000
$$;

comment on function private.measure_server() is
  'Measurements of the server: connections, open transactions and snapshots, transaction ids, slots, cache.';

revoke all on function private.measure_server() from public, anon, authenticated, service_role;
