-- requires: public.session_events
select private.extend_event_partitions();
