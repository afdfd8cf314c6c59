-- requires: private.session_archives
-- Security definer: only the owner writes the register.
create or replace function private.discard_session_archive(p_name text, p_checksum text)
returns boolean
language plpgsql
security definer
set search_path = '', pg_temp
as $$
begin
  delete from private.session_archives as a
  where a.name = p_name and a.checksum = p_checksum and a.dropped_at is null and a.restored_at is null;
  return found;
end
$$;

comment on function private.discard_session_archive(text, text) is
  'Forgets an archive of sessions that cannot be read back, while they are still here; false where there is none, or they are gone.';

revoke all on function private.discard_session_archive(text, text) from public, anon, authenticated, service_role;
grant execute on function private.discard_session_archive(text, text) to service_role, mobvibe_worker;
