import { beQuiet, refuseRemote, say } from '@mobvibe/cli';
import type pg from 'pg';
import { workerTarget } from '../config.ts';
import { databaseError, openPool } from '../pool.ts';
import { createOperations, type Operations } from '../queue/operations.ts';

export interface QueueFlags {
  json?: boolean;
  allowRemote?: boolean;
}

/** The option of every command here that changes the database. */
export const ALLOW_REMOTE = ['--allow-remote', 'work on a database that is not on this machine'] as const;

/**
 * Runs `task` on the queue of the environment's database, having said which that is.
 * @param changes what it does there, where it changes something
 * @param connections how many it needs at a time
 * @throws CommandError when the database cannot be reached or has no queue, or may not be changed from here.
 */
export async function onQueue<T>(
  flags: QueueFlags,
  changes: string | undefined,
  task: (operations: Operations, pool: pg.Pool) => Promise<T>,
  connections = 1,
): Promise<T> {
  if (flags.json) beQuiet();
  const target = workerTarget();
  say(`database: ${target.description}`);
  if (changes) refuseRemote(target, changes, Boolean(flags.allowRemote));
  const pool = openPool(target, { connections, name: 'mobvibe-worker-cli' });
  try {
    return await task(createOperations(pool), pool);
  } catch (error) {
    throw databaseError(error, target);
  } finally {
    await pool.end();
  }
}

/** A result for a machine. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
