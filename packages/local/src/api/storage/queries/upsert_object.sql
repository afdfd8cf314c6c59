insert into storage.objects as o (bucket_id, name, owner, owner_id, metadata, user_metadata, version)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (bucket_id, name) do update
set
  metadata = excluded.metadata,
  user_metadata = coalesce(excluded.user_metadata, o.user_metadata),
  version = excluded.version,
  owner = excluded.owner,
  owner_id = excluded.owner_id
