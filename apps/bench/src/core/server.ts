import {
  CommandError,
  databaseIsGiven,
  describe,
  refuseRemote,
  step,
  type Target,
  target,
  withConnection,
} from '@mobvibe/cli';
import { deploy } from '@mobvibe/db/commands';
import { startServer } from '@mobvibe/local';
import { applyLayer, setLoginPasswords } from '@mobvibe/rls-sql';

/** A migrated database to measure on. */
export interface BenchServer {
  /** As postgres. */
  target: Target;
  /** As the platform's superuser; not on a database that somebody named. */
  admin?: Target;
}

/**
 * Runs `task` on a database: the one that DATABASE_URL names, or that of a server of our own, which writes to disk
 * as a real one does (fsync and synchronous_commit on) and is gone afterwards, whatever happens.
 * @throws CommandError when the named database is remote and that is not allowed, or is not migrated.
 */
export const withServer = <T>(
  task: (server: BenchServer) => Promise<T>,
  options: { signal: AbortSignal; allowRemote: boolean },
): Promise<T> =>
  databaseIsGiven() ? onNamedDatabase(task, options.allowRemote) : onOwnServer(task, options.signal);

async function onNamedDatabase<T>(
  task: (server: BenchServer) => Promise<T>,
  allowRemote: boolean,
): Promise<T> {
  const to = target('runtime');
  refuseRemote(to, 'a benchmark', allowRemote);
  const { rows } = await withConnection(to, (client) =>
    client.query(`select to_regclass('public.session_events') is not null as migrated`),
  );
  if (!rows[0].migrated) throw new CommandError(`${to.description} is not migrated`, 'pnpm turbo migrate');
  return task({ target: to });
}

async function onOwnServer<T>(task: (server: BenchServer) => Promise<T>, signal: AbortSignal): Promise<T> {
  const server = await step('a Postgres of its own', async () => startServer({ durable: true }));
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= server.stop({ remove: true });
    return stopped;
  };
  // Breaks off whatever statement is under way. What goes wrong with it is heard at the end.
  const interrupt = () => void stop().catch(() => {});
  signal.addEventListener('abort', interrupt);
  try {
    signal.throwIfAborted();
    const to = describe(server.url);
    await step('migrated', () => migrate(to));
    return await task({ target: to, admin: describe(server.adminUrl) });
  } finally {
    signal.removeEventListener('abort', interrupt);
    await stop();
  }
}

async function migrate(to: Target): Promise<void> {
  await deploy(to);
  await withConnection(to, async (client) => {
    await applyLayer(client);
    await setLoginPasswords(client, to);
  });
}
