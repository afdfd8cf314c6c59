import { cpus, loadavg, platform, release, totalmem } from 'node:os';
import { repositoryRoot } from '@mobvibe/cli';
import { execa } from 'execa';
import type pg from 'pg';
import type { Result } from './result.ts';

const SETTINGS = [
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'wal_level',
  'shared_buffers',
  'work_mem',
  'max_connections',
  'max_wal_size',
  'jit',
];

/** The machine, without its name. */
export function machine(): Result['machine'] {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() || 'unknown',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${platform()} ${release()}`,
    node: process.version,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** The server behind a connection, with the settings that decide how fast it is. */
export async function postgres(client: pg.ClientBase): Promise<Result['postgres']> {
  const { rows } = await client.query<{ name: string; value: string }>(
    `select name, current_setting(name) as value from pg_catalog.pg_settings
     where name = any ($1) or name = 'server_version' order by name`,
    [SETTINGS],
  );
  const { server_version: version = 'unknown', ...settings } = Object.fromEntries(
    rows.map(({ name, value }) => [name, value]),
  );
  return { version, settings };
}

/** The commit that is checked out; nothing where there is no git. */
export async function commit(): Promise<Result['commit']> {
  const git = (...args: string[]) =>
    execa('git', args, { cwd: repositoryRoot, reject: false, env: { GIT_OPTIONAL_LOCKS: '0' } });
  const { stdout: id, failed } = await git('rev-parse', 'HEAD');
  if (failed) return undefined;
  const { stdout: changes } = await git('status', '--porcelain');
  return { id, dirty: changes !== '' };
}
