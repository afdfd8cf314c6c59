-- Every job whose user was told that it is enqueued ($1) is there, and has ended.
select told.id as subject, coalesce('is still ' || j.status, 'is not there') as detail
from unnest($1::uuid[]) as told (id)
left join public.coding_jobs as j on j.id = told.id
where j.status is null or j.status not in ('completed', 'failed', 'cancelled');
