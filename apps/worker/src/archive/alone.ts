import { CommandError } from '@mobvibe/cli';
import type pg from 'pg';

/**
 * Runs `task` while nobody else archives or restores in this database. The lock is one of a transaction, so that it
 * holds through a pooler as well, and goes with this process, however that ends.
 * @param task is told by the signal when the lock, or the wish to go on, is lost
 * @throws CommandError where somebody else is at it
 */
export async function alone<T>(
  pool: Pick<pg.Pool, 'connect'>,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const interrupt = () =>
    stop.abort(
      new CommandError('interrupted', 'run it again: it goes on where it was, and nothing is lost', {
        exitCode: 130,
      }),
    );
  const client = await pool.connect();
  const lost = () =>
    stop.abort(new CommandError('the connection to the database was lost', 'run it again: nothing is lost'));
  client.on('error', lost).on('end', lost);
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    await client.query('begin');
    await client.query('set local idle_in_transaction_session_timeout = 0');
    const { rows } = await client.query<{ locked: boolean }>(
      "select pg_try_advisory_xact_lock(hashtext('mobvibe event archives')) as locked",
    );
    if (!rows[0]?.locked) {
      throw new CommandError(
        'another process archives or restores in this database',
        'wait until it ends; pnpm worker archives shows how far it is',
      );
    }
    return await task(stop.signal);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    client.off('error', lost).off('end', lost);
    // So that whoever comes next finds it free: the server notices a closed connection a little later.
    await client.query('rollback').catch(() => {});
    client.release(true);
  }
}
