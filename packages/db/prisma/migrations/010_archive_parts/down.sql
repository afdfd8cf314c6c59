-- Takes back 010_archive_parts.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

do $migration$
begin
  if to_regclass('private.event_archives') is not null then
    alter table private.event_archives drop column if exists row_checksum, drop column if exists parts;
    comment on table private.event_archives is 'Partitions of session_events that were moved out of the database: where to, how many rows, which checksum.';
    comment on column private.event_archives.location is null;
    comment on column private.event_archives.checksum is null;
    comment on column private.event_archives.archived_at is null;
    comment on column private.event_archives.dropped_at is null;
    comment on column private.event_archives.restored_at is null;
  end if;
end
$migration$;

reset client_min_messages;
