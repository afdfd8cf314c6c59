-- requires: private.session_archives
-- Security definer: only the owner writes the register.
create or replace function private.record_session_archive(
  p_name text, p_location text, p_parts integer, p_row_count bigint, p_size_bytes bigint, p_checksum text,
  p_row_checksum text
)
returns boolean
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  -- What a month that came back had is replaced. An archive that is in force is not: of two that store the same
  -- month, the first one's counts.
  insert into private.session_archives as a (
    name, range_start, range_end, location, parts, row_count, size_bytes, checksum, row_checksum
  )
  select m.name, m.range_start, m.range_end, p_location, p_parts, p_row_count, p_size_bytes, p_checksum,
    p_row_checksum
  from private.list_session_months() as m
  where m.name = p_name and m.state in ('live', 'restored')
  on conflict (name) do update
  set location = excluded.location, parts = excluded.parts, row_count = excluded.row_count,
      size_bytes = excluded.size_bytes, checksum = excluded.checksum, row_checksum = excluded.row_checksum,
      archived_at = now(), dropped_at = null, restored_at = null
  where a.restored_at is not null;
  return found;
end
$$;

comment on function private.record_session_archive(text, text, integer, bigint, bigint, text, text) is
  'Enters into the register an archive of sessions that was stored and read back; false where one is in force already.';

revoke all on function private.record_session_archive(text, text, integer, bigint, bigint, text, text)
  from public, anon, authenticated, service_role;
grant execute on function private.record_session_archive(text, text, integer, bigint, bigint, text, text)
  to service_role, mobvibe_worker;
