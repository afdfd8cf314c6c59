update storage.objects
set owner = $3, owner_id = $4, metadata = $5, user_metadata = coalesce($6, user_metadata), version = $7
where bucket_id = $1 and name = $2
