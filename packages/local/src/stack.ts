import { existsSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, describe, withConnection } from '@mobvibe/cli';
import { type Account, canEnter, serverAccount } from './account.ts';
import { type Binaries, installedBinaries, usableBinaries } from './binaries.ts';
import { clusterExists, createCluster, removeUnfinished, serverUrl, startFailed } from './cluster.ts';
import { removeEnvironment, serverEnvironment, writeEnvironment } from './environment.ts';
import {
  explained,
  type Layout,
  layoutOf,
  openLayout,
  placeFor,
  readRecord,
  substitutePlace,
  writeRecord,
} from './layout.ts';
import { withLock } from './lock.ts';
import { makeRealtimePartitions } from './platform.ts';
import { DEFAULT_PORT, isFree, portsFrom, portTaken } from './port.ts';
import {
  clearStalePidFile,
  endOrphans,
  type Launch,
  launchDetached,
  type Postmaster,
  runningPostmaster,
  stopPostmaster,
} from './postmaster.ts';
import type { Progress } from './progress.ts';

const START_SECONDS = 60;
const ORPHAN_SECONDS = 15;
const STOP_SECONDS = 30;
// The server may run for weeks, and nothing but a start makes partitions.
const REALTIME_DAYS = 60;
const REALTIME_DAYS_LEFT = 30;
const LOG_LIMIT = 10 * 1024 * 1024;

export interface StackOptions {
  /** In place of `.local` of the checkout. */
  directory?: string | undefined;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

export interface RunningStack extends Postmaster {
  url: string;
  data: string;
  layout: Layout;
}

/** The server of a directory, when it runs. */
export function runningStack(layout: Layout): RunningStack | undefined {
  const record = readRecord(layout);
  const postmaster = record && runningPostmaster(record.data);
  return postmaster && { ...postmaster, url: serverUrl(postmaster.port), data: record.data, layout };
}

/**
 * Starts the background server of a directory, or finds it running.
 * @throws CommandError when it cannot start; then nothing of it runs.
 */
export async function startStack(
  options: StackOptions & { port?: number | undefined },
): Promise<RunningStack & { already: boolean }> {
  const { directory, port, progress, signal } = options;
  const layout = await openLayout(directory);
  return explained(layout.directory, () =>
    withLock(layout, progress, signal, async () => {
      const running = await running_(layout, progress);
      if (running) {
        if (port && port !== running.port) {
          throw new CommandError(
            `the server already runs, on port ${running.port}`,
            `pnpm local stop, then pnpm local start --port ${port}`,
          );
        }
        return { ...(await refresh(running)), already: true };
      }
      return { ...(await startStopped(layout, options)), already: false };
    }),
  );
}

// A server that is neither up nor down is waited for.
async function running_(layout: Layout, progress: Progress): Promise<RunningStack | undefined> {
  const deadline = Date.now() + START_SECONDS * 1000;
  for (let first = true; ; first = false) {
    const running = runningStack(layout);
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
  { port: wanted, progress, signal }: StackOptions & { port?: number | undefined },
): Promise<RunningStack> {
  const account = serverAccount();
  const record = readRecord(layout);
  const place = await placeFor(layout, account);
  const binaries = await usableBinaries(installedBinaries(), place, account);
  const data = await dataDirectory(layout, place, account);
  await rotateLog(layout.log);
  await removeUnfinished(place);
  await writeRecord(layout, { port: DEFAULT_PORT, ...record, data });

  if (!clusterExists(data, binaries)) {
    // Without PG_VERSION it is no data directory, whatever else is in it.
    await rm(data, { recursive: true, force: true });
    await progress.step(`Postgres ${binaries.version}: making ${data}`, () =>
      createCluster({ data, place, log: layout.log, binaries, account, daysAhead: REALTIME_DAYS, signal }),
    );
  }
  const running = await launchOnFreePort(layout, {
    ...{ data, binaries, account, log: layout.log, signal, progress, wanted },
    remembered: record?.port ?? DEFAULT_PORT,
  });
  try {
    signal?.throwIfAborted();
    return await refresh(running);
  } catch (error) {
    await stopPostmaster(data, running.pid, 'fast', STOP_SECONDS);
    throw error;
  }
}

async function dataDirectory(layout: Layout, place: string, account: Account | undefined): Promise<string> {
  const data = join(place, 'postgres');
  const before = readRecord(layout)?.data;
  if (!before || before === data || !existsSync(before)) return data;
  if (canEnter(dirname(before), account)) return before;
  throw new CommandError(
    `user ${account?.name}, who runs the server, can no longer enter ${before}`,
    `let that user enter (chmod o+x on the directories above), or pnpm local reset`,
  );
}

async function launchOnFreePort(
  layout: Layout,
  options: Omit<Launch, 'port' | 'durable' | 'timeoutSeconds'> & {
    progress: Progress;
    wanted: number | undefined;
    remembered: number;
  },
): Promise<RunningStack> {
  const { data, wanted, remembered, progress } = options;
  const first = wanted ?? remembered;
  for (const port of wanted ? [wanted] : candidates(remembered)) {
    if (!(await isFree(port))) continue;
    const postmaster = await launch({ ...options, port });
    if (!postmaster) continue;
    if (port !== first) progress.say(`port ${first} is taken: this server has ${port}, now and at later starts`);
    await writeRecord(layout, { ...readRecord(layout), data, port });
    return { ...postmaster, url: serverUrl(port), data, layout };
  }
  throw portTaken(first);
}

// The remembered port, so that URLs stay valid; then the usual ones.
function* candidates(remembered: number): Generator<number> {
  yield remembered;
  for (const port of portsFrom(DEFAULT_PORT)) if (port !== remembered) yield port;
}

/** Undefined when somebody took the port at the last moment. */
async function launch(
  options: Omit<Launch, 'durable' | 'timeoutSeconds'> & { progress: Progress },
): Promise<Postmaster | undefined> {
  const { data, port, binaries, progress, log, signal } = options;
  return progress.step(`Postgres ${binaries.version} on port ${port}`, async (step) => {
    const deadline = Date.now() + ORPHAN_SECONDS * 1000;
    for (let attempt = 0; ; attempt++) {
      await clearStalePidFile(data);
      const notice = setTimeout(
        () => step.update(`waiting up to ${START_SECONDS} s for the server to accept connections`),
        1_000,
      );
      const launched = await launchDetached({ ...options, durable: true, timeoutSeconds: START_SECONDS }).finally(
        () => clearTimeout(notice),
      );
      if (launched.outcome === 'ready') return runningPostmaster(data);
      if (launched.outcome === 'port taken') return undefined;
      if (launched.outcome === 'failed' || Date.now() > deadline) throw startFailed(launched.logLine, log);
      signal?.throwIfAborted();
      if (attempt === 0) step.update(`waiting up to ${ORPHAN_SECONDS} s for the processes of a killed server to end`);
      await endOrphans(data);
      await sleep(100);
    }
  });
}

// What is to be true after every start, also of a server that runs already.
async function refresh(running: RunningStack): Promise<RunningStack> {
  const { layout, data, port } = running;
  const record = readRecord(layout);
  if (daysUntil(record?.realtimeUntil) < REALTIME_DAYS_LEFT) {
    await withConnection(describe(serverUrl(port, 'supabase_admin')), (client) =>
      makeRealtimePartitions(client, { daysAhead: REALTIME_DAYS }),
    );
    const until = new Date(Date.now() + REALTIME_DAYS * 86_400_000);
    await writeRecord(layout, { data, port, realtimeUntil: until.toISOString().slice(0, 10) });
  }
  await writeEnvironment(layout, serverEnvironment(port));
  return running;
}

/** Whether a running server needs nothing from a start. */
export function isComplete({ layout, ready }: RunningStack): boolean {
  return (
    ready && existsSync(layout.environment) && daysUntil(readRecord(layout)?.realtimeUntil) >= REALTIME_DAYS_LEFT
  );
}

function daysUntil(day: string | undefined): number {
  return day ? (Date.parse(day) - Date.now()) / 86_400_000 : 0;
}

async function rotateLog(log: string): Promise<void> {
  const { size } = await stat(log).catch(() => ({ size: 0 }));
  if (size > LOG_LIMIT) await rename(log, `${log}.1`);
}

/** Stops the background server of a directory; false when none ran. */
export async function stopStack({ directory, progress, signal }: StackOptions): Promise<boolean> {
  const layout = layoutOf(directory);
  if (!existsSync(layout.directory)) return false;
  return explained(layout.directory, () =>
    withLock(layout, progress, signal, () => stopLocked(layout, progress)),
  );
}

async function stopLocked(layout: Layout, progress: Progress): Promise<boolean> {
  const running = runningStack(layout);
  if (running) await stopServer(running, progress);
  await removeEnvironment(layout);
  return Boolean(running);
}

async function stopServer({ data, pid }: RunningStack, progress: Progress): Promise<void> {
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

/** Stops the server, deletes its data, and starts anew. */
export async function resetStack(
  options: StackOptions & { port?: number | undefined },
): Promise<RunningStack> {
  const layout = await openLayout(options.directory);
  await explained(layout.directory, () =>
    withLock(layout, options.progress, options.signal, async () => {
      await stopLocked(layout, options.progress);
      await removeData(layout);
    }),
  );
  return startStack(options);
}

/** Deletes everything of a directory's server but its log; it must be stopped. */
export async function removeData(layout: Layout): Promise<void> {
  const record = readRecord(layout);
  await removeUnfinished(layout.directory);
  await rm(join(layout.directory, 'postgres'), { recursive: true, force: true });
  await rm(substitutePlace(layout.directory), { recursive: true, force: true });
  if (record) {
    await rm(record.data, { recursive: true, force: true });
    // The port stays: it is in people's configuration.
    await writeRecord(layout, { data: record.data, port: record.port });
  }
}
