-- requires: private.session_archives
-- Security definer: a worker may not insert jobs, and this one only what the register holds.
create or replace function private.end_session_restore(p_name text)
returns bigint
language plpgsql
security definer
set search_path = '', pg_temp
-- Whoever holds a session that is over is soon done; those that are locked already wait no longer for it.
set lock_timeout = '1s'
as $$
declare
  v_archive private.session_archives := private.hold_archived_sessions(p_name);
  v_row_count bigint;
  v_row_checksum text;
  v_restored bigint;
  v_differs boolean;
begin
  if to_regclass(format('partitions.%I', p_name)) is null then
    raise exception 'no restore of % was begun', p_name using
      errcode = 'MV007',
      hint = 'private.begin_session_restore, then private.restore_session_lines.';
  end if;
  execute format(
    $sql$ select count(*), coalesce(sum(private.line_checksum(r.line)), 0)::text from partitions.%I as r $sql$, p_name
  ) into v_row_count, v_row_checksum;
  if (v_row_count, v_row_checksum) is distinct from (v_archive.row_count, v_archive.row_checksum) then
    raise exception 'what was restored of % is not what was archived', p_name using
      errcode = 'MV008',
      hint = 'Begin again with private.begin_session_restore.';
  end if;

  -- Locks in the order profile, project, session, job, and of ids, as everywhere.
  execute format(
    $sql$
      select from public.coding_sessions as s
      where s.id in (select r.session_id from partitions.%I as r)
      order by s.id
      for update
    $sql$,
    p_name
  );
  -- What belongs to a session that was deleted since finds none, and stays away.
  execute format(
    $sql$
      insert into public.coding_jobs
      select j.*
      from partitions.%I as r
      join public.coding_sessions as s on s.id = r.session_id and s.user_id = r.user_id
      cross join lateral jsonb_populate_record(
        null::public.coding_jobs, r.line::jsonb || jsonb_build_object('changed_xid', pg_current_xact_id())
      ) as j
    $sql$,
    p_name
  );
  get diagnostics v_restored = row_count;
  execute format(
    $sql$
      insert into private.job_attempts
      select a.*
      from partitions.%I as r
      join public.coding_sessions as s on s.id = r.session_id and s.user_id = r.user_id
      cross join lateral jsonb_populate_recordset(null::private.job_attempts, r.line::jsonb -> 'attempts') as a
    $sql$,
    p_name
  );
  execute format(
    $sql$
      select exists (
        select from partitions.%I as r
        join public.coding_sessions as s on s.id = r.session_id and s.user_id = r.user_id
        where private.job_line((r.line::json ->> 'id')::uuid) is distinct from r.line
      )
    $sql$,
    p_name
  ) into v_differs;
  if v_differs then
    raise exception 'the restored jobs of % are not those of its lines', p_name using
      errcode = 'MV008',
      hint = 'Was a column of coding_jobs or job_attempts changed since? private.job_line must give the line as it was.';
  end if;

  update public.coding_sessions as s
  set archived_at = null
  where s.created_at >= v_archive.range_start and s.created_at < v_archive.range_end and s.archived_at is not null;
  execute format('drop table partitions.%I', p_name);
  update private.session_archives as a set restored_at = now() where a.id = v_archive.id;
  return v_archive.row_count - v_restored;
end
$$;

comment on function private.end_session_restore(text) is
  'Holds the restored lines against the register, and makes jobs and attempts of them, in one step for every reader; returns how many jobs stay away because their session was deleted since. Raises MV008 where they are not what was archived, MV007 where nothing was restored, 55P03 where others keep a session busy.';

revoke all on function private.end_session_restore(text) from public, anon, authenticated, service_role;
grant execute on function private.end_session_restore(text) to service_role, mobvibe_worker;
