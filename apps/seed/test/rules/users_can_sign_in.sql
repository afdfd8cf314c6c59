-- Hashed once: a data set has one hash for all of its users.
with fitting as materialized (
  select hashes.encrypted_password
  from (select distinct encrypted_password from auth.users where encrypted_password <> '') as hashes
  where extensions.crypt('seed-password', hashes.encrypted_password) = hashes.encrypted_password
)
-- Supabase Auth answers 500 where a token column is NULL.
select u.id
from auth.users as u
left join auth.identities as i on i.user_id = u.id
where u.confirmation_token is distinct from ''
  or u.recovery_token is distinct from ''
  or u.email_change_token_new is distinct from ''
  or u.email_change is distinct from ''
  or u.email_change_token_current is distinct from ''
  or u.phone_change is distinct from ''
  or u.phone_change_token is distinct from ''
  or u.reauthentication_token is distinct from ''
  or u.instance_id is distinct from '00000000-0000-0000-0000-000000000000'
  or u.aud is distinct from 'authenticated'
  or u.role is distinct from 'authenticated'
  or u.is_anonymous <> (u.email is null)
  or not u.is_anonymous and (
    u.email_confirmed_at is null
    or u.email !~ '^[a-z0-9-]+@[a-z0-9-]+\.example\.com$'
    or not exists (select from fitting as f where f.encrypted_password = u.encrypted_password)
    or u.raw_app_meta_data <> '{"provider": "email", "providers": ["email"]}'
    or (i.provider, i.provider_id, i.email) is distinct from ('email', u.id::text, u.email::text)
    or i.identity_data ->> 'sub' is distinct from u.id::text
  )
