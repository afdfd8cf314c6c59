-- The register of archived sessions. Running this file again changes nothing.

-- What is there already, or gone already, is no news.
set client_min_messages = warning;

do $migration$
begin
  if to_regclass('private.session_archives') is null then
    create table private.session_archives (
      id uuid not null default gen_random_uuid(),
      name text not null check (char_length(name) <= 63),
      range_start timestamptz not null,
      range_end timestamptz not null,
      location text not null check (char_length(location) <= 2048),
      parts integer not null check (parts >= 0),
      row_count bigint not null check (row_count >= 0),
      size_bytes bigint not null check (size_bytes >= 0),
      checksum text not null check (char_length(checksum) <= 128),
      row_checksum text not null check (char_length(row_checksum) <= 64),
      archived_at timestamptz not null default now(),
      dropped_at timestamptz,
      restored_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      constraint session_archives_pkey primary key (id),
      constraint session_archives_range_check check (range_start < range_end)
    );
    alter table private.session_archives enable row level security;
    revoke all on table private.session_archives from public, anon, authenticated, service_role;
  end if;
end
$migration$;

create unique index if not exists session_archives_name_key on private.session_archives (name);

-- The default is null for all rows that are there already, so none of them is rewritten.
alter table public.coding_sessions add column if not exists archived_at timestamptz;

comment on table private.session_archives is 'Months of ended sessions whose jobs and attempts were stored outside the database, each read back before: where, how many jobs, which checksums.';
comment on column private.session_archives.name is 'The month in which the sessions were opened, in UTC: coding_sessions_2026_01.';
comment on column private.session_archives.location is 'The folder that holds the parts: storage://<bucket>/<folder>, or file:///<folder>.';
comment on column private.session_archives.parts is 'How many objects it consists of: 00001.jsonl.gz and so on.';
comment on column private.session_archives.checksum is 'The SHA-256 of all parts, one after the other: that the stored bytes are the ones that were written.';
comment on column private.session_archives.row_checksum is 'The sum of each line''s md5 (its first 64 bits): that the jobs here are the ones in the parts.';
comment on column private.session_archives.archived_at is 'When it was stored and had been read back.';
comment on column private.session_archives.dropped_at is 'When the jobs were deleted; null while they are still here.';
comment on column private.session_archives.restored_at is 'When they came back; then they stay until they are archived anew.';
comment on column public.coding_sessions.archived_at is 'When its jobs and attempts were moved to the archive; null: they are here. The row stays, and a phone may keep what it has.';
comment on index private.session_archives_pkey is 'Serves: one archive by id.';
comment on index private.session_archives_name_key is 'Serves: whether the sessions of a month were archived; each month is archived once.';

reset client_min_messages;
