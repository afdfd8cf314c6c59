-- What an archive consists of, and by what its rows are known. Running this file again changes nothing.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

alter table private.event_archives
  add column if not exists parts integer not null default 0 check (parts >= 0),
  add column if not exists row_checksum text not null default '0' check (char_length(row_checksum) <= 64);

comment on table private.event_archives is 'Months of session_events that were stored outside the database, each read back before: where, how many rows, which checksums.';
comment on column private.event_archives.location is 'The folder that holds the parts: storage://<bucket>/<folder>, or file:///<folder>.';
comment on column private.event_archives.parts is 'How many objects it consists of: 00001.jsonl.gz and so on.';
comment on column private.event_archives.checksum is 'The SHA-256 of all parts, one after the other: that the stored bytes are the ones that were written.';
comment on column private.event_archives.row_checksum is 'The sum of each row''s md5 (its first 64 bits): that the rows here are the ones in the parts.';
comment on column private.event_archives.archived_at is 'When it was stored and had been read back.';
comment on column private.event_archives.dropped_at is 'When the partition was dropped; null while it is still here.';
comment on column private.event_archives.restored_at is 'When it came back; then it stays until it is archived anew.';

reset client_min_messages;
