select 'project' as kind, p.id
from public.projects as p
join public.profiles as u on u.id = p.user_id
where p.created_at < u.created_at
union all
select 'session', s.id
from public.coding_sessions as s
join public.projects as p on p.id = s.project_id
where s.created_at < p.created_at or p.deleted_at is not null and s.deleted_at is null
