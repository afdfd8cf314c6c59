-- requires: private.session_archives
create or replace function private.line_checksum(p_line text)
returns bigint
language sql
immutable
parallel safe
set search_path = '', pg_temp
as $$ select ('x' || left(md5(p_line), 16))::bit(64)::bigint $$;

comment on function private.line_checksum(text) is 'The first 64 bits of the md5 of a line of an archive; their sum tells whether rows are the archived ones.';

revoke all on function private.line_checksum(text) from public, anon, authenticated, service_role;
