-- requires: public.session_events
create or replace function private.attach_event_partition(p_month timestamp)
returns void
language plpgsql
set search_path = '', pg_temp
as $$
declare
  v_name text := 'session_events_' || to_char(p_month, 'YYYY_MM');
  v_from timestamptz := p_month at time zone 'UTC';
  v_until timestamptz := (p_month + interval '1 month') at time zone 'UTC';
  -- An insert into the child: no trigger of the parent tells anybody of old news.
  v_move text := format(
    $sql$
      with stray as (
        delete from partitions.session_events_default as e
        where e.created_at >= %L and e.created_at < %L
        returning e.*
      )
      insert into partitions.%I (session_id, user_id, seq, created_at, job_id, type, payload)
      select s.session_id, s.user_id, s.seq, s.created_at, s.job_id, s.type, s.payload from stray as s
      on conflict do nothing
    $sql$,
    v_from, v_until, v_name
  );
begin
  -- Most of them while others append; under the lock only what came meanwhile.
  execute v_move;
  -- What attaching takes for the foreign keys comes first, and whole, as whoever appends or deletes has it first. A
  -- table that has them already, as a restored one, loses their triggers on the other side, which takes more.
  execute format(
    'lock table public.coding_sessions, public.coding_jobs in %s mode',
    case
      when exists (
        select from pg_catalog.pg_constraint as k
        where k.conrelid = to_regclass('partitions.' || v_name) and k.contype = 'f'
      ) then 'access exclusive'
      else 'share row exclusive'
    end
  );
  lock table partitions.session_events_default in access exclusive mode;
  execute v_move;
  -- Unlike CREATE TABLE … PARTITION OF it locks neither readers nor writers out of the parent.
  execute format(
    'alter table public.session_events attach partition partitions.%I for values from (%L) to (%L)',
    v_name, v_from, v_until
  );
  execute format('alter table partitions.%I drop constraint in_month', v_name);
end
$$;

comment on function private.attach_event_partition(timestamp) is
  'Attaches the table of a month to session_events, with what had strayed into the default partition, in one step for every reader.';

revoke all on function private.attach_event_partition(timestamp) from public, anon, authenticated, service_role;
