-- Takes back 001_profiles. `cascade` is for what the SQL layer built on these objects; `pnpm rollback` refuses
-- when anything else would go with them.
-- reference: private.tier_limits

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

drop table if exists public.profiles cascade;
drop table if exists private.tier_limits cascade;
drop type if exists public.tier cascade;
drop schema if exists private cascade;

reset client_min_messages;
