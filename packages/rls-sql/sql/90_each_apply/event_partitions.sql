-- requires: public.session_events, private.event_archives
select private.extend_event_partitions();
