-- Which of the names $1 are missing: relations (public.projects) and columns (private.workers.idle_since).
select name
from unnest($1::text[]) as name
cross join lateral string_to_array(name, '.') as part
where case
  when cardinality(part) = 3 then not exists (
    select from pg_catalog.pg_attribute as a
    where a.attrelid = to_regclass(part[1] || '.' || part[2]) and a.attname = part[3] and not a.attisdropped
  )
  else to_regclass(name) is null
end
