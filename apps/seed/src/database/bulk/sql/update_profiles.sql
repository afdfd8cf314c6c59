-- $1: rows of public.profiles as a JSON array, with the names of the client. The trigger on auth.users has made them.
update public.profiles as u
set email = r.email, display_name = r."displayName", avatar_url = r."avatarUrl", tier = r.tier,
  stripe_customer_id = r."stripeCustomerId", usage_period_start = r."usagePeriodStart", jobs_used = r."jobsUsed",
  tokens_used = r."tokensUsed", created_at = r."createdAt"
from jsonb_to_recordset($1::jsonb) as r (
  id uuid,
  email text,
  "displayName" text,
  "avatarUrl" text,
  tier public.tier,
  "stripeCustomerId" text,
  "usagePeriodStart" timestamptz,
  "jobsUsed" integer,
  "tokensUsed" bigint,
  "createdAt" timestamptz
)
where u.id = r.id
