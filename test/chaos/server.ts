import { createReadStream } from 'node:fs';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, describe, withConnection } from '@mobvibe/cli';
import { deploy } from '@mobvibe/db/commands';
import { startServer } from '@mobvibe/local';
import { applyLayer, setLoginPasswords } from '@mobvibe/rls-sql';
import { startGuardian } from '../../apps/worker/src/guardian/guardian.ts';
import type { RestartMode } from './plan.ts';

/** A migrated server that can be restarted in each of the ways in which servers are. */
export interface ChaosServer {
  url: string;
  /** As the superuser, for whom some connections are kept when the others are all taken. */
  adminUrl: string;
  /** For what is temporary; it goes with the server. */
  directory: string;
  /** Resolves when connections are accepted again, at the same address. */
  restart(mode: RestartMode): Promise<void>;
  /** What its log says was refused and went wrong. */
  readLog(): Promise<ServerLog>;
  close(): Promise<void>;
}

export interface ServerLog {
  /** By login role, then by function: how many calls were refused because the lease was lost. */
  refused: Record<string, Record<string, number>>;
  deadlocks: number;
}

// Of 200 that a local server has: fewer are sooner taken.
const PLACES = 70;

/** Starts one that writes as a real one does: what was committed outlives a crash. */
export async function openServer(): Promise<ChaosServer> {
  // It removes the directory, should this process be killed; the server ends by itself then.
  const guardian = await startGuardian();
  const { directory } = guardian;
  // The server may run as another user.
  await chmod(directory, 0o755);
  const options = { directory: join(directory, 'server'), durable: true };
  let server = await startServer(options).catch(async (error) => {
    await guardian.close();
    throw error;
  });

  async function close(): Promise<void> {
    await server.stop({ remove: true });
    await guardian.close();
  }

  async function startAgain(): Promise<void> {
    // Some connection of this machine may have the port for a moment.
    for (let attempt = 1; ; attempt++) {
      try {
        server = await startServer({ ...options, port: server.port });
        return;
      } catch (error) {
        if (attempt === 10) throw error;
        await sleep(200);
      }
    }
  }

  async function crashOneBackend(): Promise<void> {
    const [victim, witness] = await Promise.all([
      connect(describe(server.adminUrl)),
      connect(describe(server.adminUrl)),
    ]);
    const { rows } = await victim.query('select pg_catalog.pg_backend_pid() as pid');
    // The server ends every other process when it has noticed.
    const noticed = Promise.all(
      [victim, witness].map((client) => new Promise((resolve) => client.once('end', resolve))),
    );
    process.kill(rows[0].pid, 'SIGKILL');
    await noticed;
    const accepts = () =>
      withConnection(describe(server.adminUrl), (client) => client.query('select')).then(
        () => true,
        () => false,
      );
    while (!(await accepts())) await sleep(50);
  }

  try {
    const target = describe(server.url);
    await deploy(target);
    await withConnection(target, async (client) => {
      await applyLayer(client);
      await setLoginPasswords(client, target);
    });
    await withConnection(describe(server.adminUrl), (client) =>
      client.query(`alter system set superuser_reserved_connections = ${200 - PLACES}`),
    );
    await server.stop();
    await startAgain();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url: server.url,
    adminUrl: server.adminUrl,
    directory,
    async restart(mode) {
      if (mode === 'crash') return crashOneBackend();
      if (mode === 'immediate') process.kill(await postmasterOf(server.adminUrl), 'SIGQUIT');
      await server.stop();
      await startAgain();
    },
    readLog: () => readLog(join(options.directory, 'postgres.log')),
    close,
  };
}

async function postmasterOf(adminUrl: string): Promise<number> {
  const { rows } = await withConnection(describe(adminUrl), (client) => client.query('show data_directory'));
  const [pid] = (await readFile(join(rows[0].data_directory, 'postmaster.pid'), 'utf8')).split('\n');
  return Number(pid);
}

// 2030-01-01 00:00:00.000 UTC [123] mobvibe_worker@postgres ERROR:  lease lost
const LINE = /^\S+ \S+ \S+ \[(\d+)\] (\w+)@\S+ (\w+): +(.*)$/;

async function readLog(path: string): Promise<ServerLog> {
  const log: ServerLog = { refused: {}, deadlocks: 0 };
  /** Processes whose next statement is the one that was refused. */
  const refusing = new Set<string>();
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const [, pid = '', role = '', level, text = ''] = LINE.exec(line) ?? [];
    if (level === 'ERROR') {
      if (text === 'lease lost') refusing.add(pid);
      if (text === 'deadlock detected') log.deadlocks++;
    }
    if (level !== 'STATEMENT' || !refusing.delete(pid)) continue;
    const name = /private\.(\w+)/.exec(text)?.[1] ?? 'unknown';
    log.refused[role] ??= {};
    log.refused[role][name] = (log.refused[role][name] ?? 0) + 1;
  }
  return log;
}
