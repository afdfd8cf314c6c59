-- requires: public.coding_jobs.changed_xid
-- Security invoker: the caller's policies decide. Stable, so that the cursor and the rows are of one snapshot; of the
-- primary's: a replica's does not list which transactions are open.
create or replace function public.sync_changes(p_cursor text default null, p_limit integer default 500)
returns jsonb
language plpgsql
stable
security invoker
set search_path = '', pg_temp
as $$
declare
  v_max_bytes constant integer := 1000000;
  v_no_id constant uuid := '00000000-0000-0000-0000-000000000000';
  v_limit constant integer := least(greatest(coalesce(p_limit, 500), 1), 1000);
  -- Which database, in which of its lives: in another one, and after a restore, transaction ids begin elsewhere.
  v_database constant text := (
    select left(md5(concat_ws('/', s.system_identifier, c.timeline_id, d.oid)), 16)
    from pg_control_system() as s, pg_control_checkpoint() as c, pg_database as d
    where d.datname = current_database()
  );
  -- The next pass gives what this snapshot does not show yet.
  v_now pg_snapshot := pg_current_snapshot();
  v_part text[];
  v_reset boolean := p_cursor is null;
  -- What the last pass showed: nothing, before the first.
  v_shown pg_snapshot := '1:1:';
  -- A restored row may have a stamp from another life, later than any of this one: only a reset gives it.
  v_end xid8 := pg_snapshot_xmax(v_now);
  -- The first row that this pass has not given yet.
  v_table integer := 1;
  v_xid xid8;
  v_id uuid;
  v_answer jsonb;
begin
  if pg_is_in_recovery() then
    raise exception 'sync_changes needs the primary' using
      errcode = 'feature_not_supported',
      hint = 'A replica does not know which transactions are open: changes would be missed.';
  end if;
  if p_cursor is not null then
    v_part := regexp_match(
      p_cursor, '^1/([0-9a-f]{16})/([0-9:,]+)(?:/([0-9:,]+)/([123])/([0-9]{1,19})/([0-9a-f-]{36}))?$'
    );
    if v_part is null or not pg_input_is_valid(v_part[2], 'pg_snapshot')
      or v_part[3] is not null
        and not (pg_input_is_valid(v_part[3], 'pg_snapshot') and pg_input_is_valid(v_part[6], 'uuid'))
    then
      raise exception 'not a cursor of sync_changes' using
        errcode = 'invalid_parameter_value',
        hint = 'Pass the cursor of the last answer as it was, or null to get everything again.';
    end if;
    v_reset := v_part[1] <> v_database or pg_snapshot_xmax(v_part[2]::pg_snapshot) > v_end;
    if not v_reset and v_part[3] is null then
      v_shown := v_part[2]::pg_snapshot;
    elsif not v_reset then
      v_now := v_part[2]::pg_snapshot;
      v_shown := v_part[3]::pg_snapshot;
      v_table := v_part[4]::integer;
      v_xid := v_part[5]::xid8;
      v_id := v_part[6]::uuid;
    end if;
  end if;
  if pg_snapshot_xmax(v_shown) = '1' then
    v_end := '18446744073709551615';
  end if;

  -- Table by table, so that parents come before their children; in each, in the order of its index.
  with candidate as (
    (
      select 1 as position, p.changed_xid, p.id, to_jsonb(p) - array['user_id', 'changed_xid'] as row
      from public.projects as p
      where v_table = 1
        and (p.changed_xid, p.id) >= (coalesce(v_xid, pg_snapshot_xmin(v_shown)), coalesce(v_id, v_no_id))
        and p.changed_xid < v_end and not pg_visible_in_snapshot(p.changed_xid, v_shown)
      order by p.changed_xid, p.id
      limit v_limit + 1
    )
    union all
    (
      select 2, s.changed_xid, s.id,
        to_jsonb(s) - array[
          'user_id', 'changed_xid', 'expires_at', 'last_activity_at', 'last_event_seq', 'updated_at'
        ]
      from public.coding_sessions as s
      where v_table <= 2
        and (s.changed_xid, s.id) >= (
          case when v_table = 2 then v_xid else pg_snapshot_xmin(v_shown) end,
          case when v_table = 2 then v_id else v_no_id end
        )
        and s.changed_xid < v_end and not pg_visible_in_snapshot(s.changed_xid, v_shown)
      order by s.changed_xid, s.id
      limit v_limit + 1
    )
    union all
    (
      select 3, j.changed_xid, j.id,
        to_jsonb(j) - array['user_id', 'changed_xid', 'worker_id', 'lease_expires_at', 'updated_at']
      from public.coding_jobs as j
      where (j.changed_xid, j.id) >= (
          case when v_table = 3 then v_xid else pg_snapshot_xmin(v_shown) end,
          case when v_table = 3 then v_id else v_no_id end
        )
        and j.changed_xid < v_end and not pg_visible_in_snapshot(j.changed_xid, v_shown)
      order by j.changed_xid, j.id
      limit v_limit + 1
    )
  ),
  measured as (
    select c.*,
      row_number() over given as number,
      sum(octet_length(c.row::text)) over given - octet_length(c.row::text) as bytes_before
    from candidate as c
    window given as (order by c.position, c.changed_xid, c.id rows unbounded preceding)
  ),
  page as (
    select m.*, m.number <= v_limit and (m.number = 1 or m.bytes_before < v_max_bytes) as fits from measured as m
  ),
  next as (
    select concat_ws('/', 1, v_database, v_now, v_shown, p.position, p.changed_xid, p.id) as cursor
    from page as p
    where not p.fits
    order by p.number
    limit 1
  )
  select jsonb_build_object(
    'cursor', coalesce((select n.cursor from next as n), concat_ws('/', 1, v_database, v_now)),
    'more', exists (select from next),
    'reset', v_reset,
    'projects', coalesce(jsonb_agg(p.row order by p.number) filter (where p.fits and p.position = 1), '[]'),
    'coding_sessions', coalesce(jsonb_agg(p.row order by p.number) filter (where p.fits and p.position = 2), '[]'),
    'coding_jobs', coalesce(jsonb_agg(p.row order by p.number) filter (where p.fits and p.position = 3), '[]')
  )
  into v_answer
  from page as p;
  return v_answer;
end
$$;

comment on function public.sync_changes(text, integer) is
  'What changed in the caller''s projects, sessions and jobs since the cursor (null: everything), tombstones included, up to p_limit rows (at most 1,000) or about 1 MB: {cursor, more, reset, projects, coding_sessions, coding_jobs}. Misses nothing, whatever is open meanwhile. reset: forget what you have; these and those of the next pages are all rows. Raises 22023 for what is no cursor, 0A000 on a replica.';

revoke all on function public.sync_changes(text, integer) from public, anon, authenticated, service_role;
grant execute on function public.sync_changes(text, integer) to authenticated;
