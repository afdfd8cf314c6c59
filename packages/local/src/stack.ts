import { existsSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, describe, oneLine, withConnection } from '@mobvibe/cli';
import { serverAccount } from './account.ts';
import { launchApi, stopApi } from './api/process.ts';
import { refuseProduction } from './api/production.ts';
import { installedBinaries, usableBinaries } from './binaries.ts';
import { clusterExists, createCluster, launchCluster, removeCluster, removeUnfinished } from './cluster.ts';
import { removeEnvironment, serverEnvironment, writeEnvironment } from './environment.ts';
import { explained } from './files.ts';
import { dataDirectory, openLayout, placeFor, removeSubstitute, writeRecord } from './layout.ts';
import { withLock } from './lock.ts';
import { bootstrapPlatform, makeRealtimePartitions } from './platform.ts';
import { DEFAULT_API_PORT, DEFAULT_PORT, isFree, portsFrom, portTaken } from './port.ts';
import { endOrphans, type Launch, launchDetached, stopPostmaster } from './postmaster.ts';
import { type Progress, silent } from './progress.ts';
import {
  type Layout,
  layoutOf,
  needsPartitions,
  platformFingerprint,
  type RunningApi,
  type RunningServer,
  readRecord,
  runningApi,
  runningServer,
  type ServerRecord,
  serverUrl,
} from './running.ts';

const START_SECONDS = 60;
const STOP_SECONDS = 30;
// The server may run for weeks, and only a start makes partitions.
const REALTIME_DAYS = 60;
const LOG_LIMIT = 10 * 1024 * 1024;

export interface StackOptions {
  /** In place of `.local` of the checkout. */
  directory?: string | undefined;
  /** Where to say what happens; left out: nowhere. */
  progress?: Progress | undefined;
  /** Interrupts a start; then nothing of it is left. */
  signal?: AbortSignal | undefined;
}

export interface StartOptions extends StackOptions {
  port?: number | undefined;
  /** Whether the API (REST, Auth, Realtime, Storage) is to run too. Left out: one that runs stays. */
  api?: boolean | undefined;
  apiPort?: number | undefined;
}

export interface StartedStack extends RunningServer {
  /** It ran before, and so did the API where that was wanted. */
  already: boolean;
  api: RunningApi | undefined;
}

/**
 * Starts the background server of a directory, or finds it running; with `api` the API as well.
 * @throws CommandError when it cannot start; then nothing that this start has started runs.
 */
export async function startStack(options: StartOptions = {}): Promise<StartedStack> {
  const { directory, port, api = false, progress = silent, signal } = options;
  if (api) refuseProduction();
  const layout = await openLayout(directory);
  return explained(layout.directory, () =>
    withLock(layout, progress, signal, async () => {
      const running = await settledServer(layout, progress, signal);
      if (running) {
        if (port && port !== running.port) {
          throw new CommandError(
            `the server already runs, on port ${running.port}`,
            `pnpm local stop, then pnpm local start --port ${port}`,
          );
        }
        await refresh(layout, running, progress);
      } else if (await stopApi(layout)) {
        // Its Postgres is gone, and it would take its time to find the new one.
        progress.say('the API ran without its Postgres: stopped');
      }
      const server = running ?? (await startStopped(layout, options));
      const runs = runningApi(layout);
      if (runs && options.apiPort && options.apiPort !== runs.port) {
        throw new CommandError(
          `the API already runs, on port ${runs.port}`,
          `pnpm local stop, then pnpm local start --api-port ${options.apiPort}`,
        );
      }
      try {
        if (api && !runs) await startApiOnFreePort(layout, server, options);
      } catch (error) {
        if (!running) await stopLocked(layout, progress);
        throw error;
      } finally {
        if (runningServer(layout)) await writeEnvironment(layout, serverEnvironment(layout, server.port));
      }
      const already = Boolean(running) && (!api || Boolean(runs));
      return { ...server, already, api: runningApi(layout) };
    }),
  );
}

async function startApiOnFreePort(
  layout: Layout,
  server: RunningServer,
  { progress = silent, signal, apiPort: wanted }: StartOptions,
): Promise<void> {
  await rotateLog(layout.apiLog);
  const record = readRecord(layout) as ServerRecord;
  const first =
    wanted ?? record.apiPort ?? (server.port === DEFAULT_PORT ? DEFAULT_API_PORT : server.port - 1);
  for (const port of wanted ? [wanted] : candidates(first, DEFAULT_API_PORT)) {
    if (!(await isFree(port))) continue;
    await progress.step(`API on port ${port}`, () =>
      launchApi(layout, { port, databasePort: server.port, signal }),
    );
    if (port !== first) progress.say(`port ${first} is taken: this API has ${port}, now and at later starts`);
    return writeRecord(layout, { ...record, apiPort: port });
  }
  throw portTaken(first, '--api-port');
}

// A server that is neither up nor down is waited for.
async function settledServer(
  layout: Layout,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<RunningServer | undefined> {
  const deadline = Date.now() + START_SECONDS * 1000;
  for (let first = true; ; first = false) {
    signal?.throwIfAborted();
    const running = runningServer(layout);
    if (!running || running.ready) return running;
    if (first) progress.say(`the server is starting or stopping: waiting up to ${START_SECONDS} s for it`);
    if (Date.now() > deadline) {
      throw new CommandError(
        `the server (process ${running.pid}) has been starting or stopping for ${START_SECONDS} s`,
        `read ${layout.log}; pnpm local stop ends it`,
      );
    }
    await sleep(50);
  }
}

async function startStopped(
  layout: Layout,
  { port: wanted, progress = silent, signal }: StartOptions,
): Promise<RunningServer> {
  const account = serverAccount();
  const record = readRecord(layout);
  const place = await placeFor(layout, account);
  const binaries = await usableBinaries(installedBinaries(), account);
  const data = dataDirectory(layout, place, account);
  await rotateLog(layout.log);
  await removeUnfinished(place);
  await writeRecord(layout, { port: DEFAULT_PORT, ...record, data });

  if (!(await clusterExists(data, binaries))) {
    await progress.step(`Postgres ${binaries.version}: making ${data}`, () =>
      createCluster({ data, place, log: layout.log, binaries, account, daysAhead: REALTIME_DAYS, signal }),
    );
    await writeRecord(layout, { port: DEFAULT_PORT, ...record, data, ...upToDate() });
  }
  const running = await launchOnFreePort(layout, {
    ...{ data, binaries, account, log: layout.log, signal, progress, wanted },
    remembered: record?.port ?? DEFAULT_PORT,
  });
  try {
    signal?.throwIfAborted();
    return await refresh(layout, running, progress);
  } catch (error) {
    await stopPostmaster(data, running.pid, 'fast', STOP_SECONDS);
    throw error;
  }
}

async function launchOnFreePort(
  layout: Layout,
  options: Omit<Launch, 'port' | 'durable' | 'timeoutSeconds'> & {
    progress: Progress;
    wanted: number | undefined;
    remembered: number;
  },
): Promise<RunningServer> {
  const { data, wanted, remembered, progress } = options;
  const first = wanted ?? remembered;
  for (const port of wanted ? [wanted] : candidates(remembered, DEFAULT_PORT)) {
    if (!(await isFree(port))) continue;
    const launched = await launchCluster({ ...options, port, durable: true }, launchDetached, progress);
    if (!launched) continue;
    const { postmaster } = launched;
    if (port !== first)
      progress.say(`port ${first} is taken: this server has ${port}, now and at later starts`);
    await writeRecord(layout, { ...readRecord(layout), data, port });
    return { ...postmaster, url: serverUrl(port), data };
  }
  throw portTaken(first);
}

// The remembered port, so that URLs stay valid; then the usual ones.
function* candidates(remembered: number, usual: number): Generator<number> {
  yield remembered;
  for (const port of portsFrom(usual)) if (port !== remembered) yield port;
}

// What is to be true after every start, also of a server that runs already or was made by an older checkout.
async function refresh(layout: Layout, running: RunningServer, progress: Progress): Promise<RunningServer> {
  const { data, port } = running;
  const record = readRecord(layout);
  if (record?.platform !== platformFingerprint()) {
    await progress.step('bringing the platform up to date', () => changePlatform(port, bootstrapPlatform));
    await writeRecord(layout, { ...record, data, port, ...upToDate() });
  } else if (needsPartitions(record)) {
    await changePlatform(port, makeRealtimePartitions);
    await writeRecord(layout, { ...record, data, port, ...upToDate() });
  }
  return running;
}

async function changePlatform(port: number, change: typeof bootstrapPlatform): Promise<void> {
  try {
    await withConnection(describe(serverUrl(port, 'supabase_admin')), (client) =>
      change(client, { daysAhead: REALTIME_DAYS }),
    );
  } catch (cause) {
    throw new CommandError(
      `the platform cannot be brought up to date: ${oneLine(cause)}`,
      'close other connections and start again, or make it anew with pnpm local reset (deletes all data)',
      { cause },
    );
  }
}

function upToDate() {
  const until = new Date(Date.now() + REALTIME_DAYS * 86_400_000);
  return { platform: platformFingerprint(), realtimeUntil: until.toISOString().slice(0, 10) };
}

async function rotateLog(log: string): Promise<void> {
  const { size } = await stat(log).catch(() => ({ size: 0 }));
  if (size > LOG_LIMIT) await rename(log, `${log}.1`);
}

/** Stops the background server of a directory; false when none ran. */
export async function stopStack({
  directory,
  progress = silent,
  signal,
}: StackOptions = {}): Promise<boolean> {
  const layout = layoutOf(directory);
  if (!existsSync(layout.directory)) return false;
  return explained(layout.directory, () =>
    withLock(layout, progress, signal, () => stopLocked(layout, progress)),
  );
}

async function stopLocked(layout: Layout, progress: Progress): Promise<boolean> {
  const served = await stopApi(layout);
  const running = runningServer(layout);
  if (running) await stopServer(running, progress);
  await removeEnvironment(layout);
  return served || Boolean(running);
}

async function stopServer({ data, pid }: RunningServer, progress: Progress): Promise<void> {
  await progress.step('stopping Postgres', async (step) => {
    const notice = setTimeout(
      () => step.update(`waiting up to ${STOP_SECONDS} s for it to write everything down`),
      1_000,
    );
    const stopped = await stopPostmaster(data, pid, 'fast', STOP_SECONDS).finally(() => clearTimeout(notice));
    if (stopped) return;
    step.update('waiting up to 10 s for it to end at once');
    if (await stopPostmaster(data, pid, 'immediate', 10)) return;
    await stopPostmaster(data, pid, 'kill', 10);
    await endOrphans(data);
  });
}

/** Stops the server, deletes its data and stored files, and starts anew. Ports and keys stay. */
export async function resetStack(options: StartOptions = {}): Promise<StartedStack> {
  const { directory, progress = silent, signal } = options;
  const layout = await openLayout(directory);
  await explained(layout.directory, () =>
    withLock(layout, progress, signal, async () => {
      await stopLocked(layout, progress);
      await removeData(layout);
    }),
  );
  return startStack(options);
}

/** Deletes everything that the server of a directory keeps, but its log; it must be stopped. */
export async function removeData(layout: Layout): Promise<void> {
  const record = readRecord(layout);
  await removeUnfinished(layout.directory);
  for (const data of [record?.data, join(layout.directory, 'postgres')]) if (data) await removeCluster(data);
  await removeSubstitute(layout.directory);
  await rm(layout.storage, { recursive: true, force: true });
  // The ports stay: people have them in their configuration.
  if (record) {
    const { data, port, apiPort } = record;
    await writeRecord(layout, { data, port, ...(apiPort && { apiPort }) });
  }
}
