-- A bucket that still holds archives stays: it is not ours to throw them away.
select set_config('storage.allow_delete_query', 'true', true);
delete from storage.buckets
where id = 'event-archives' and not exists (select from storage.objects where bucket_id = 'event-archives');
