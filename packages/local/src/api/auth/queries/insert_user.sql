-- A NULL in a token column would make the real GoTrue fail at sign-in.
with created as (
  insert into auth.users (
    instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data,
    raw_user_meta_data, banned_until, created_at, updated_at, confirmation_token, recovery_token,
    email_change_token_new, email_change
  )
  values (
    '00000000-0000-0000-0000-000000000000', $1, 'authenticated', $2, $3, $4, case when $5 then now() end, $6,
    $7, $8, now(), now(), '', '', '', ''
  )
)
insert into auth.identities (provider_id, user_id, provider, identity_data, last_sign_in_at, created_at, updated_at)
values (
  $1::uuid::text, $1, 'email',
  jsonb_build_object('sub', $1::uuid::text, 'email', $3::text, 'email_verified', $5::boolean, 'phone_verified', false),
  now(), now(), now()
)
