-- requires: public.session_events
revoke all on schema partitions from public, anon, authenticated, service_role, mobvibe_app, mobvibe_worker;
