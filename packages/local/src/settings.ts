/** How the servers of this package are set. On the command line, so that a new version of it needs no new data. */
export function serverSettings({ durable }: { durable: boolean }): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    // A socket path may have 107 bytes, which a deep checkout exceeds.
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: '256MB',
    huge_pages: 'off',
    wal_level: 'logical',
    max_wal_size: '2GB',
    shared_preload_libraries: 'pg_stat_statements',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_destination: 'stderr',
    log_line_prefix: '%m [%p] %q%u@%d ',
    log_checkpoints: 'off',
    log_lock_waits: 'on',
    log_min_duration_statement: '1s',
    // A crash of the machine may lose everything; a crash of the server loses nothing.
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}
