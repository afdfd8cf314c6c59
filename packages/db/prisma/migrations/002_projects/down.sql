-- Takes back 002_projects.
drop table if exists public.projects cascade;
drop type if exists public.project_status cascade;
