-- Profiles and the limits of each tier. Running this file again changes nothing.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

create schema if not exists private;
comment on schema private is 'What no API exposes: limits, queue internals, helper functions.';

do $migration$
begin
  if to_regtype('public.tier') is null then
    create type public.tier as enum ('free', 'pro', 'team', 'enterprise');
  end if;

  -- Prisma makes its history in an exposed schema, where the platform's defaults would leave it open.
  if to_regclass('public._prisma_migrations') is not null
    and not (select relrowsecurity from pg_catalog.pg_class where oid = to_regclass('public._prisma_migrations'))
  then
    alter table public._prisma_migrations enable row level security;
    revoke all on table public._prisma_migrations from public, anon, authenticated, service_role;
  end if;

  -- A table, its row-level security and its revokes come and go together: it is never open, and running the
  -- file again takes back nothing that the SQL layer has granted since.
  if to_regclass('public.profiles') is null then
    create table public.profiles (
      id uuid not null,
      email text check (char_length(email) <= 320),
      display_name text check (char_length(display_name) between 1 and 100),
      avatar_url text check (char_length(avatar_url) <= 2048),
      tier public.tier not null default 'free',
      stripe_customer_id text check (char_length(stripe_customer_id) <= 255),
      usage_period_start timestamptz not null default date_trunc('month', now(), 'UTC'),
      jobs_used integer not null default 0 check (jobs_used >= 0),
      tokens_used bigint not null default 0 check (tokens_used >= 0),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      constraint profiles_pkey primary key (id),
      constraint profiles_id_fkey foreign key (id) references auth.users (id) on delete cascade
    );
    alter table public.profiles enable row level security;
    revoke all on table public.profiles from public, anon, authenticated, service_role;
  end if;

  if to_regclass('private.tier_limits') is null then
    create table private.tier_limits (
      tier public.tier not null,
      max_concurrent_jobs integer not null check (max_concurrent_jobs > 0),
      max_active_sessions integer not null check (max_active_sessions > 0),
      jobs_per_period integer check (jobs_per_period > 0),
      max_priority smallint not null check (max_priority between 0 and 100),
      session_ttl interval not null check (session_ttl > interval '0'),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      constraint tier_limits_pkey primary key (tier)
    );
    alter table private.tier_limits enable row level security;
    revoke all on table private.tier_limits from public, anon, authenticated, service_role;

    insert into private.tier_limits
      (tier, max_concurrent_jobs, max_active_sessions, jobs_per_period, max_priority, session_ttl)
    values
      ('free', 1, 3, 50, 0, interval '1 hour'),
      ('pro', 3, 10, 1000, 10, interval '8 hours'),
      ('team', 10, 50, 10000, 20, interval '24 hours'),
      ('enterprise', 50, 500, null, 100, interval '72 hours');
  end if;
end
$migration$;

create unique index if not exists profiles_stripe_customer_id_key on public.profiles (stripe_customer_id);

comment on type public.tier is 'What a user pays for.';
comment on table public.profiles is 'One row a user, made by a trigger on auth.users. Owner: id.';
comment on column public.profiles.usage_period_start is 'When the counters jobs_used and tokens_used last began at zero.';
comment on table private.tier_limits is 'What each tier allows; null means without limit.';
comment on column private.tier_limits.session_ttl is 'How long a session lives after its last activity.';
comment on index public.profiles_pkey is 'Serves: a user''s own profile; the foreign key from projects.';
comment on index public.profiles_stripe_customer_id_key is 'Serves: the billing webhook, which knows only the Stripe customer.';
comment on index private.tier_limits_pkey is 'Serves: the limits of one tier, read when a session or job is written or claimed.';

reset client_min_messages;
