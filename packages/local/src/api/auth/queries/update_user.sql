-- What is null stays as it is.
with changed as (
  update auth.users
  set
    email = coalesce($2, email),
    encrypted_password = coalesce($3, encrypted_password),
    raw_user_meta_data = coalesce($4, raw_user_meta_data),
    raw_app_meta_data = coalesce($5, raw_app_meta_data),
    role = coalesce($6, role),
    email_confirmed_at = case when $7 then coalesce(email_confirmed_at, now()) else email_confirmed_at end,
    banned_until = case when $8 then $9 else banned_until end,
    updated_at = now()
  where id = $1
)
update auth.identities
set identity_data = identity_data || jsonb_build_object('email', $2::text), updated_at = now()
where user_id = $1 and provider = 'email' and $2 is not null
