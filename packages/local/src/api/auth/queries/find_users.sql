-- $1 id, $2 email, $3 limit, $4 offset; an id or an email that is null matches every user.
select
  u.id, u.aud, u.role, u.email, u.phone, u.encrypted_password, u.email_confirmed_at, u.phone_confirmed_at,
  u.confirmed_at, u.last_sign_in_at, u.raw_app_meta_data, u.raw_user_meta_data, u.created_at, u.updated_at,
  u.banned_until, u.deleted_at, u.is_anonymous,
  coalesce(
    (
      select jsonb_agg(to_jsonb(i) order by i.created_at, i.id)
      from auth.identities as i
      where i.user_id = u.id
    ),
    '[]'
  ) as identities
from auth.users as u
where ($1::uuid is null or u.id = $1)
  and ($2::text is null or (u.email = $2 and not u.is_sso_user))
  and u.instance_id = '00000000-0000-0000-0000-000000000000'
order by u.created_at desc, u.id
limit $3
offset $4
