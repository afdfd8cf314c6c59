import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, withConnection } from '@mobvibe/cli';
import type { ClientBase } from 'pg';
import pg from 'pg';
import { LOCAL_PASSWORD, platformFiles, SQL } from './running.ts';

// A test server is gone long before its partitions run out; a background server may run for weeks.
const DAYS_AHEAD = 3;

/**
 * Makes the Supabase platform in the database of `client`, a superuser named supabase_admin: roles, schemas, auth,
 * storage, realtime. Run again, it changes nothing. One transaction: all of it, or nothing.
 */
export async function bootstrapPlatform(
  client: ClientBase,
  { daysAhead = DAYS_AHEAD }: { daysAhead?: number } = {},
): Promise<void> {
  const files = await Promise.all(platformFiles().map((path) => readFile(path, 'utf8')));
  const partitions = await partitionsSql(daysAhead);
  await inTransaction(client, async () => {
    // Roles belong to all databases: a second bootstrap waits for the first.
    await client.query(`
      lock table pg_catalog.pg_authid in share row exclusive mode;
      set local search_path = '';
      set local local.password = ${pg.escapeLiteral(LOCAL_PASSWORD)};
    `);
    for (const file of files) await client.query(file);
    await client.query(partitions);
  });
}

/**
 * Makes the daily partitions of realtime.messages from three days ago to `daysAhead` days from now, and drops those
 * before: without a partition for the day, realtime.send loses every message with no more than a warning.
 */
export async function makeRealtimePartitions(
  client: ClientBase,
  { daysAhead = DAYS_AHEAD }: { daysAhead?: number } = {},
): Promise<void> {
  const partitions = await partitionsSql(daysAhead);
  await inTransaction(client, () => client.query(partitions));
}

async function partitionsSql(daysAhead: number): Promise<string> {
  const sql = await readFile(join(SQL, 'realtime_partitions.sql'), 'utf8');
  return `set local local.days_ahead = ${Math.trunc(daysAhead)};\n${sql}`;
}

async function inTransaction(client: ClientBase, task: () => Promise<unknown>): Promise<void> {
  await client.query('begin');
  try {
    // Whoever holds a lock for longer has forgotten it.
    await client.query(`set local lock_timeout = '10s'; set local client_min_messages = warning`);
    await task();
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

/**
 * Makes a database that postgres owns. Everything in the template comes along: with a template that has the platform
 * (any database of these servers but template0 and template1), so does the platform. Nobody may be connected to the
 * template meanwhile.
 */
export async function createDatabase(
  adminUrl: string,
  name: string,
  { template = 'postgres' }: { template?: string } = {},
): Promise<void> {
  const maintenance = new URL(adminUrl);
  // Any database but the template: a connection to that would be in the way.
  maintenance.pathname = template === 'postgres' ? '/template1' : '/postgres';
  await withConnection(describe(maintenance.href), async (client) => {
    const [database, source] = [name, template].map(pg.escapeIdentifier);
    await client.query(`create database ${database} template ${source} owner postgres`);
  });
}
