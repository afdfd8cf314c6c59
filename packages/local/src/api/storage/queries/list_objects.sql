-- $1 bucket, $2 folder ('' or with a slash at its end), $3 what the next part begins with, $4 column, $5 descending,
-- $6 limit, $7 offset. Folders come first; they are no objects and have a name only.
with entries as (
  select
    split_part(substr(o.name, length($2) + 1), '/', 1) as part,
    position('/' in substr(o.name, length($2) + 1)) > 0 as is_folder,
    o.id, o.updated_at, o.created_at, o.last_accessed_at, o.metadata
  from storage.objects as o
  where o.bucket_id = $1 and starts_with(o.name, $2)
),
listed as (
  select distinct
    part, true as is_folder, null::uuid as id, null::timestamptz as updated_at, null::timestamptz as created_at,
    null::timestamptz as last_accessed_at, null::jsonb as metadata
  from entries
  where is_folder
  union all
  select part, false, id, updated_at, created_at, last_accessed_at, metadata
  from entries
  where not is_folder
)
select part as name, id, updated_at, created_at, last_accessed_at, metadata
from listed
where starts_with(lower(part), lower($3))
order by
  is_folder desc,
  case when $4 = 'updated_at' and not $5 then updated_at end,
  case when $4 = 'updated_at' and $5 then updated_at end desc,
  case when $4 = 'created_at' and not $5 then created_at end,
  case when $4 = 'created_at' and $5 then created_at end desc,
  case when $4 = 'last_accessed_at' and not $5 then last_accessed_at end,
  case when $4 = 'last_accessed_at' and $5 then last_accessed_at end desc,
  case when $4 = 'name' and $5 then part end desc,
  part
limit $6
offset $7
