-- The row stays for what refers to it; nobody can sign in with it, and its address is free again.
with signed_out as (
  delete from auth.sessions where user_id = $1
),
identities_gone as (
  delete from auth.identities where user_id = $1
)
update auth.users
set
  email = encode(sha256(convert_to(id::text || coalesce(email, ''), 'UTF8')), 'hex'),
  phone = null,
  encrypted_password = '',
  raw_user_meta_data = '{}',
  raw_app_meta_data = '{}',
  deleted_at = coalesce(deleted_at, now())
where id = $1
