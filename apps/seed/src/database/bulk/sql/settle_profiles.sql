-- $1: as in update_profiles. A trigger has counted the jobs that wait as if they had been enqueued just now.
update public.profiles as u
set usage_period_start = r."usagePeriodStart", jobs_used = r."jobsUsed", tokens_used = r."tokensUsed"
from jsonb_to_recordset($1::jsonb) as r (
  id uuid,
  "usagePeriodStart" timestamptz,
  "jobsUsed" integer,
  "tokensUsed" bigint
)
where u.id = r.id
