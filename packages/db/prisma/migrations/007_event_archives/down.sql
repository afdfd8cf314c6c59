-- Takes back 007_event_archives.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

drop table if exists private.event_archives cascade;

reset client_min_messages;
