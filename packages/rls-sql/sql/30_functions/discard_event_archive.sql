-- requires: private.event_archives.parts
-- Security definer: only the owner writes the register.
create or replace function private.discard_event_archive(p_partition text, p_checksum text)
returns boolean
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  delete from private.event_archives as a
  where a.partition_name = p_partition and a.checksum = p_checksum and a.dropped_at is null and a.restored_at is null;
  return found;
end
$$;

comment on function private.discard_event_archive(text, text) is
  'Forgets an archive that cannot be read back, while its month is still here; false where there is none, or the month is gone.';

revoke all on function private.discard_event_archive(text, text) from public, anon, authenticated, service_role;
grant execute on function private.discard_event_archive(text, text) to service_role, mobvibe_worker;
