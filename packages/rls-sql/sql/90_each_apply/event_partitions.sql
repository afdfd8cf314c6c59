-- requires: public.session_events
-- The months around now: what is appended today must not land in the default partition.
select private.ensure_event_partitions(now() - interval '1 month', now() + interval '3 months');
