-- requires: public.session_events
create or replace function private.sum_events(p_partition text)
returns table (row_count bigint, row_checksum text)
language plpgsql
stable
set search_path = '', pg_temp
as $$
begin
  -- A sum, because it needs no order; md5, because it is the same in every version and outside the database as well.
  return query execute format(
    $sql$
      select count(*), coalesce(sum(('x' || left(md5(
        private.event_line(e.session_id, e.user_id, e.seq, e.created_at, e.job_id, e.type, e.payload)
      ), 16))::bit(64)::bigint), 0)::text
      from partitions.%I as e
    $sql$,
    p_partition
  );
end
$$;

comment on function private.sum_events(text) is
  'How many events a partition holds, and the sum of the first 64 bits of the md5 of each one''s line.';

revoke all on function private.sum_events(text) from public, anon, authenticated, service_role;
