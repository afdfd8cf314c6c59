-- Takes back 001_profiles. `cascade` is for what the SQL layer built on these objects; `pnpm rollback` refuses
-- when anything else would go with them.
drop table if exists public.profiles cascade;
drop table if exists private.tier_limits cascade;
drop type if exists public.tier cascade;
drop schema if exists private cascade;
