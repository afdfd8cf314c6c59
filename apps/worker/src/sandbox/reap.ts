import { errorCode, oneLine } from '@mobvibe/cli';
import type pg from 'pg';
import type { Log } from '../log.ts';
import type { Sandboxes, SandboxListing } from './sandbox.ts';

/**
 * How old a sandbox must be to be ended because its session is not there: a session is stored before its sandbox is
 * made, but a replica, or a clock, may be behind.
 */
const UNKNOWN_AFTER_MS = 10 * 60_000;

/**
 * Ends every sandbox that exists here and whose session has ended, or was deleted, and clears its id in the
 * database. One whose session's last job is still being given up waits for the next time. Every worker does it for
 * all; to end one twice is no error.
 * @param database of the sessions (`databaseId`): what another database's workers made is theirs, unless its session
 *   is known here and has ended
 * @returns how many were ended
 */
export async function reapSandboxes(options: {
  pool: Pick<pg.Pool, 'query'>;
  sandboxes: Pick<Sandboxes, 'list' | 'end'>;
  database: string;
  log: Log;
}): Promise<number> {
  const { pool, sandboxes, database, log } = options;
  const listed = await sandboxes.list();
  if (listed.length === 0) return 0;
  const { rows } = await pool.query<{ id: string; hasEnded: boolean }>(
    `select s.id, s.status not in ('pending', 'active') and not exists (
         select from public.coding_jobs as j where j.session_id = s.id and j.status = 'processing'
       ) as "hasEnded"
     from public.coding_sessions as s
     where s.id = any ($1::uuid[])`,
    [listed.map(({ sessionId }) => sessionId)],
  );
  const sessions = new Map(rows.map((row) => [row.id, row.hasEnded]));
  const isOver = (sandbox: SandboxListing) => sessions.get(sandbox.sessionId) ?? isOrphan(sandbox, database);

  const ended: string[] = [];
  for (const sandbox of listed.filter(isOver)) {
    try {
      await sandboxes.end(sandbox.id);
      ended.push(sandbox.id);
    } catch (error) {
      // The others need not wait for this one: it is tried again at the next round.
      log.warn(
        { session_id: sandbox.sessionId, code: errorCode(error), cause: oneLine(error) },
        'a sandbox could not be ended',
      );
    }
  }
  if (ended.length > 0) {
    await pool.query('select private.clear_sandboxes($1)', [ended]);
    log.info({ sandboxes: ended.length }, 'ended sandboxes whose session is over');
  }
  return ended.length;
}

/** Whether the sandbox of a session that this database does not know is nobody's. */
function isOrphan({ createdAt, database: owner }: SandboxListing, database: string): boolean {
  return owner === database && createdAt !== undefined && Date.now() - createdAt.getTime() > UNKNOWN_AFTER_MS;
}
