-- The register of archived partitions. Running this file again changes nothing.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

do $migration$
begin
  if to_regclass('private.event_archives') is null then
    create table private.event_archives (
      id uuid not null default gen_random_uuid(),
      partition_name text not null check (char_length(partition_name) <= 63),
      range_start timestamptz not null,
      range_end timestamptz not null,
      location text not null check (char_length(location) <= 2048),
      row_count bigint not null check (row_count >= 0),
      size_bytes bigint not null check (size_bytes >= 0),
      checksum text not null check (char_length(checksum) <= 128),
      archived_at timestamptz not null default now(),
      dropped_at timestamptz,
      restored_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      constraint event_archives_pkey primary key (id),
      constraint event_archives_range_check check (range_start < range_end)
    );
    alter table private.event_archives enable row level security;
    revoke all on table private.event_archives from public, anon, authenticated, service_role;
  end if;
end
$migration$;

create unique index if not exists event_archives_partition_name_key on private.event_archives (partition_name);

comment on table private.event_archives is 'Partitions of session_events that were moved out of the database: where to, how many rows, which checksum.';
comment on index private.event_archives_pkey is 'Serves: one archive by id.';
comment on index private.event_archives_partition_name_key is 'Serves: whether a partition was archived; each is archived once.';

reset client_min_messages;
