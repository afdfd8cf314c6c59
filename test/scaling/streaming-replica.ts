import { chown, copyFile, mkdir, mkdtemp, opendir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, errorCode, withConnection } from '@mobvibe/cli';
import type { Server } from '@mobvibe/local';
import type pg from 'pg';
import { type Account, canEnter, serverAccount } from '../../packages/local/src/account.ts';
import { installedBinaries, usableBinaries } from '../../packages/local/src/binaries.ts';
import { type LaunchedCluster, launchOnAnyPort } from '../../packages/local/src/cluster.ts';
import { childEnded, stopPostmaster } from '../../packages/local/src/postmaster.ts';
import { serverUrl } from '../../packages/local/src/running.ts';

/** A hot standby that streams from a primary. */
export interface StreamingReplica {
  /** As postgres, who can only read here. */
  url: string;
  /** As the superuser, who may pause the replay. */
  adminUrl: string;
  /** Ends it as a crash does; `start` brings it back at the same address. */
  crash(): Promise<void>;
  /** Stops it and removes its data. */
  close(): Promise<void>;
}

const SLOT = 'replica';
// What a server makes anew, and what is no part of a backup:
// https://www.postgresql.org/docs/17/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
const EMPTIED = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const LEFT_OUT = /^(postmaster\.(pid|opts)|pg_internal\.init.*|pgsql_tmp.*)$/;

/**
 * Starts a replica of a running server. The embedded binaries have no pg_basebackup, so this is what that does: mark
 * the backup's begin, copy the files while the server works, mark its end, and let the copy stream what it lacks.
 */
export async function startReplica(primary: Server): Promise<StreamingReplica> {
  const account = serverAccount();
  const parent = [tmpdir(), '/var/tmp'].find((path) => canEnter(path, account)) ?? tmpdir();
  const directory = await mkdtemp(join(parent, 'mobvibe-replica-'));
  if (account) await chown(directory, account.uid, account.gid);
  const data = join(directory, 'data');
  let launched: LaunchedCluster;
  try {
    await withConnection(describe(primary.adminUrl), (client) => backUp(client, data, account));
    await becomeStandby(data, primary.port, account);
    const binaries = await usableBinaries(installedBinaries(), account);
    const log = join(directory, 'postgres.log');
    launched = await launchOnAnyPort({ binaries, data, log, account }, directory);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  const { postmaster, child } = launched;

  async function crash(): Promise<void> {
    await stopPostmaster(data, postmaster.pid, 'immediate', 10);
    await childEnded(child);
  }
  return {
    url: serverUrl(postmaster.port),
    adminUrl: serverUrl(postmaster.port, 'supabase_admin'),
    crash,
    async close() {
      await crash();
      await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

async function backUp(client: pg.Client, data: string, account: Account | undefined): Promise<void> {
  const { rows } = await client.query('show data_directory');
  // Keeps the log that the copy lacks until it has it.
  await client.query('select pg_create_physical_replication_slot($1, true)', [SLOT]);
  await client.query("select pg_backup_start('replica', fast => true)");
  await copyData(rows[0].data_directory, data, account);
  const stopped = await client.query('select labelfile from pg_backup_stop(wait_for_archive => false)');
  await write(join(data, 'backup_label'), stopped.rows[0].labelfile, account);
}

async function becomeStandby(data: string, port: number, account: Account | undefined): Promise<void> {
  const { username, password } = new URL(serverUrl(port));
  const settings = [
    `primary_conninfo = 'host=127.0.0.1 port=${port} user=${username} password=${password}'`,
    `primary_slot_name = '${SLOT}'`,
  ];
  await write(join(data, 'postgresql.auto.conf'), `${settings.join('\n')}\n`, account);
  await write(join(data, 'standby.signal'), '', account);
}

async function copyData(from: string, to: string, account: Account | undefined): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  if (account) await chown(to, account.uid, account.gid);
  for await (const entry of await opendir(from)) {
    if (LEFT_OUT.test(entry.name)) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory() && !EMPTIED.has(entry.name)) await copyData(source, target, account);
    else if (entry.isDirectory()) await makeEmpty(target, account);
    else await copyOne(source, target, account);
  }
}

async function makeEmpty(path: string, account: Account | undefined): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  if (account) await chown(path, account.uid, account.gid);
}

async function copyOne(source: string, target: string, account: Account | undefined): Promise<void> {
  try {
    await copyFile(source, target);
  } catch (error) {
    // The server removed it meanwhile; the log says so to the copy.
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  if (account) await chown(target, account.uid, account.gid);
}

async function write(path: string, content: string, account: Account | undefined): Promise<void> {
  await writeFile(path, content, { mode: 0o600 });
  if (account) await chown(path, account.uid, account.gid);
}
