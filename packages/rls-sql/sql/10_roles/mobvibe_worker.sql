-- The login of workers. It bypasses row-level security, because it serves every user, but holds only the grants
-- that a worker needs: it reads, and writes through the fenced functions of the queue. Its password comes from
-- MOBVIBE_WORKER_PASSWORD.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'mobvibe_worker') then
    create role mobvibe_worker;
  end if;
end
$$;

alter role mobvibe_worker with login noinherit bypassrls nocreatedb nocreaterole noreplication;
alter role mobvibe_worker set statement_timeout = '30s';
alter role mobvibe_worker set idle_in_transaction_session_timeout = '60s';

comment on role mobvibe_worker is 'Login of workers: bypasses RLS, granted only what a worker does.';
