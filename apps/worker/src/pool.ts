import { CommandError, connectionError, errorCode, type Target } from '@mobvibe/cli';
import pg from 'pg';
import { isConnectionLost } from './queue/connection-lost.ts';

const CONNECT_TIMEOUT_MS = 10_000;

/** Connections to the queue's database. Broken ones are replaced when they are next needed. */
export function openPool(
  target: Target,
  options: { connections: number; queryTimeoutMs?: number; name?: string },
): pg.Pool {
  const pool = new pg.Pool({
    connectionString: target.url,
    max: options.connections,
    application_name: options.name ?? 'mobvibe-worker',
    connectionTimeoutMillis: Math.min(CONNECT_TIMEOUT_MS, options.queryTimeoutMs ?? CONNECT_TIMEOUT_MS),
    query_timeout: options.queryTimeoutMs,
    keepAlive: true,
  });
  // An idle connection that breaks is replaced at the next query.
  pool.on('error', () => {});
  return pool;
}

// Login refused, or no such database; no such host; a certificate that nobody vouches for.
const NO_ENTRY =
  /^(28...|3D000|ENOTFOUND|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_.*)$/;

// What a database answers in which the queue's schema or functions do not exist, or not for this role.
const NO_QUEUE = new Set(['42883', '3F000', '42501', '42P01', '42703']);

/** What is wrong with the database, in words, where that is known: it cannot be reached, or has no queue. */
export function databaseError(error: unknown, target: Target): unknown {
  const code = errorCode(error) ?? '';
  if (NO_QUEUE.has(code)) {
    return new CommandError(
      `${target.description} has no job queue, or this role may not use it`,
      'pnpm turbo migrate, with the same DATABASE_URL',
      { cause: error },
    );
  }
  return isConnectionLost(error) || NO_ENTRY.test(code) ? connectionError(error, target) : error;
}
