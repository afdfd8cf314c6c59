import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, say } from '@mobvibe/cli';
import type pg from 'pg';

/** The advisory lock that Prisma holds while it migrates. */
const PRISMA_LOCK = 72707369;
const POLL_MS = 200;

/**
 * Takes Prisma's own lock on this connection, so that nobody migrates meanwhile. The lock ends with the session of
 * its holder: a deploy that was killed keeps it as long as the server still works for it.
 * @throws CommandError when somebody else still holds it after `seconds`.
 */
export async function takeLock(client: pg.Client, seconds: number): Promise<void> {
  const until = Date.now() + seconds * 1000;
  for (let said = false; ; said = true) {
    // Asking again instead of waiting in the server: a statement_timeout cannot interrupt that.
    const { rows } = await client.query('select pg_try_advisory_lock($1) as taken', [PRISMA_LOCK]);
    if (rows[0].taken) return;
    if (Date.now() >= until) throw await lockTimeout(client, seconds);
    if (!said)
      say(`  another migration is running on this database; waiting up to ${seconds} s for it to end`);
    await sleep(POLL_MS);
  }
}

export async function releaseLock(client: pg.Client): Promise<void> {
  await client.query('select pg_advisory_unlock($1)', [PRISMA_LOCK]);
}

async function lockTimeout(client: pg.Client, seconds: number): Promise<CommandError> {
  const { rows } = await client.query<{ pid: number; name: string }>(
    `select a.pid, a.application_name as name
     from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.objid = $1 and l.granted
       and l.database = (select oid from pg_catalog.pg_database where datname = current_database())`,
    [PRISMA_LOCK],
  );
  const [holder] = rows;
  return new CommandError(
    `another migration is still running after ${seconds} s${holder ? ` (${holder.name}, pid ${holder.pid})` : ''}`,
    holder
      ? `let it end, or end it: select pg_terminate_backend(${holder.pid}); then deploy again`
      : 'deploy again',
  );
}
