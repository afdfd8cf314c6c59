-- A partition for every day from three days ago until `local.days_ahead` days from now, and none before that.
-- Hosted Supabase makes them when a client connects and drops them after 72 hours; here each start does.

do $$
declare
  days_ahead constant int := pg_catalog.current_setting('local.days_ahead')::int;
  today constant date := (pg_catalog.now() at time zone 'utc')::date;
  day date;
  partition record;
begin
  for day in select today + n from pg_catalog.generate_series(-3, days_ahead) as n loop
    if pg_catalog.to_regclass('realtime.' || pg_catalog.to_char(day, '"messages_"YYYY_MM_DD')) is null then
      execute pg_catalog.format(
        'create table realtime.%1$I partition of realtime.messages for values from (%2$L) to (%3$L);'
        'alter table realtime.%1$I owner to supabase_realtime_admin;',
        pg_catalog.to_char(day, '"messages_"YYYY_MM_DD'), day, day + 1
      );
    end if;
  end loop;

  for partition in
    select child.relname
    from pg_catalog.pg_inherits as inherits
    join pg_catalog.pg_class as child on child.oid = inherits.inhrelid
    where inherits.inhparent = 'realtime.messages'::regclass
      and child.relname ~ '^messages_\d{4}_\d{2}_\d{2}$'
      and pg_catalog.to_date(child.relname, '"messages_"YYYY_MM_DD') < today - 3
  loop
    execute pg_catalog.format('drop table realtime.%I', partition.relname);
  end loop;
end
$$;
