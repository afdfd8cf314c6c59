-- requires: public.projects
-- Files of sessions, one folder a user: <user>/<project>/<session>/….
insert into storage.buckets (id, name, public, file_size_limit)
values ('project-files', 'project-files', false, 52428800)
on conflict (id) do update set public = excluded.public, file_size_limit = excluded.file_size_limit
where (storage.buckets.public, storage.buckets.file_size_limit)
  is distinct from (excluded.public, excluded.file_size_limit);

drop policy if exists "Users read their own project files" on storage.objects;
create policy "Users read their own project files" on storage.objects
  for select to authenticated
  using (bucket_id = 'project-files' and (storage.foldername(name))[1] = (select auth.uid())::text);

drop policy if exists "Users upload into their own folder" on storage.objects;
create policy "Users upload into their own folder" on storage.objects
  for insert to authenticated
  with check (
    bucket_id = 'project-files'
    and (storage.foldername(name))[1] = (select auth.uid())::text
    -- No empty part, no `.` and no `..`: what reads the name as a path must stay in the folder.
    and name !~ '(^|/)[.]{0,2}(/|$)'
  );

drop policy if exists "Users replace their own project files" on storage.objects;
create policy "Users replace their own project files" on storage.objects
  for update to authenticated
  using (bucket_id = 'project-files' and (storage.foldername(name))[1] = (select auth.uid())::text)
  with check (
    bucket_id = 'project-files'
    and (storage.foldername(name))[1] = (select auth.uid())::text
    -- No empty part, no `.` and no `..`: what reads the name as a path must stay in the folder.
    and name !~ '(^|/)[.]{0,2}(/|$)'
  );

drop policy if exists "Users delete their own project files" on storage.objects;
create policy "Users delete their own project files" on storage.objects
  for delete to authenticated
  using (bucket_id = 'project-files' and (storage.foldername(name))[1] = (select auth.uid())::text);
