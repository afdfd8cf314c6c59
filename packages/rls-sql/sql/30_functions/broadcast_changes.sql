-- requires: public.coding_jobs.changed_xid
-- Security definer: whoever changes a row may not write to realtime.messages.
create or replace function private.broadcast_changes()
returns trigger
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  -- What realtime.send does, for all users at once: it inserts one message in a subtransaction of its own.
  insert into realtime.messages (topic, extension, event, private, payload)
  select 'user:' || c.user_id, 'broadcast', 'changes', true,
    jsonb_build_object(
      'table', tg_table_name,
      'rows', case when count(*) <= 100 then jsonb_agg(jsonb_build_object('id', c.id, 'status', c.status)) end
    )
  from changed as c
  -- The stamp tells a change from a heartbeat, or from a batch of events.
  where c.changed_xid = pg_current_xact_id()
    -- What is seeded or restored happened long ago: nobody waits for it.
    and (tg_op = 'UPDATE' or c.created_at > now() - interval '5 minutes')
  group by c.user_id;
  return null;
exception
  -- A broadcast is a hint, the table is the truth: the change must not fail with it.
  when others then
    raise warning 'changes were not broadcast: %', sqlerrm using
      errcode = sqlstate,
      hint = 'Clients fetch them at their next check. Is there a partition of realtime.messages for today?';
    return null;
end
$$;

comment on function private.broadcast_changes() is
  'Trigger on projects, coding_sessions and coding_jobs: one message for each user and statement, to user:<id>: {table, rows: [{id, status}]}. Of more than 100 rows, rows is null.';

revoke all on function private.broadcast_changes() from public, anon, authenticated, service_role;
