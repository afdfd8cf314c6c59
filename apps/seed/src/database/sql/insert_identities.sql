-- $1: rows of auth.identities as a JSON array, with the names of the client.
insert into auth.identities
  (id, user_id, provider_id, provider, identity_data, last_sign_in_at, created_at, updated_at)
select r.id, r."userId", r."providerId", r.provider, r."identityData", r."lastSignInAt", r."createdAt", r."updatedAt"
from jsonb_to_recordset($1::jsonb) as r (
  id uuid,
  "userId" uuid,
  "providerId" text,
  provider text,
  "identityData" jsonb,
  "lastSignInAt" timestamptz,
  "createdAt" timestamptz,
  "updatedAt" timestamptz
)
