-- Takes back 007_event_archives.
drop table if exists private.event_archives cascade;
