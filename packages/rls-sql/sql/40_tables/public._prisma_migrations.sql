-- requires: public._prisma_migrations
-- Prisma keeps its history in an exposed schema; it is nobody's business there.
alter table public._prisma_migrations enable row level security;

revoke all on table public._prisma_migrations
  from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
