-- Takes back 002_projects.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

drop table if exists public.projects cascade;
drop type if exists public.project_status cascade;

reset client_min_messages;
