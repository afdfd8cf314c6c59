-- Empty at first: an application adds the tables whose changes it wants to follow.

do $$
begin
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
end
$$;

alter publication supabase_realtime owner to postgres;

comment on publication supabase_realtime is 'The tables whose row changes Realtime follows.';
