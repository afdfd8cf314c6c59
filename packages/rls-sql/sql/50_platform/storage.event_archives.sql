-- requires: private.event_archives.parts
-- Archived months of events. No policy lets anybody in: the service role alone reads and writes it.
insert into storage.buckets (id, name, public, file_size_limit)
values ('event-archives', 'event-archives', false, 52428800)
on conflict (id) do update set public = excluded.public, file_size_limit = excluded.file_size_limit
where (storage.buckets.public, storage.buckets.file_size_limit)
  is distinct from (excluded.public, excluded.file_size_limit);
