// Only what Node itself brings: `start` on a running server answers from here, before anything else is loaded.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
const DEFAULT_DIRECTORY = join(CHECKOUT, '.local');
/** What the process of the API runs. */
export const API_MAIN = fileURLToPath(new URL('./api/main.ts', import.meta.url));
/** The SQL files of this package. */
export const SQL = fileURLToPath(new URL('../sql', import.meta.url));
const DAY = 86_400_000;
// A server may run for weeks, and only a start makes partitions.
const REALTIME_DAYS_LEFT = 30;

/** The password of every login role of the local stack, as with the Supabase CLI. */
export const LOCAL_PASSWORD = 'postgres';

/** Where the parts of one server lie. */
export interface Layout {
  /** `.local` of the checkout, or the one asked for. */
  directory: string;
  /** What the next command must know: a `ServerRecord`. */
  record: string;
  /** The variables of the running server, in dotenv format. */
  environment: string;
  log: string;
  /** Which process serves the API: an `ApiRecord`. */
  api: string;
  apiLog: string;
  /** The keys of the API: they outlive even a reset, because applications have them in their configuration. */
  keys: string;
  /** The files that applications store. */
  storage: string;
}

/** What outlives a server: where its data lies, and the port it listened on. */
export interface ServerRecord {
  data: string;
  port: number;
  /** The last day that has a partition of realtime.messages. */
  realtimeUntil?: string;
  /** The platform SQL that was run: its `platformFingerprint`. */
  platform?: string;
  /** The port that the API listened on. */
  apiPort?: number;
}

/** The process of the API, and where it listens. */
export interface ApiRecord {
  pid: number;
  port: number;
}

export interface RunningApi extends ApiRecord {
  url: string;
}

/** A server process and where it listens, as its postmaster.pid says. */
export interface Postmaster {
  pid: number;
  port: number;
  startedAt: Date;
  /** False while it recovers, starts or stops. */
  ready: boolean;
}

export interface RunningServer extends Postmaster {
  url: string;
  data: string;
}

/** The layout of a directory, which need not exist. */
export function layoutOf(directory: string = DEFAULT_DIRECTORY): Layout {
  const path = realPath(resolve(directory));
  return {
    directory: path,
    record: join(path, 'server.json'),
    environment: join(path, 'env'),
    log: join(path, 'postgres.log'),
    api: join(path, 'api.json'),
    apiLog: join(path, 'api.log'),
    keys: join(path, 'keys.json'),
    storage: join(path, 'storage'),
  };
}

function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

/** Where a server answers. */
export function serverUrl(port: number, role: 'postgres' | 'supabase_admin' = 'postgres'): string {
  return `postgresql://${role}:${LOCAL_PASSWORD}@127.0.0.1:${port}/postgres`;
}

export function readRecord({ record }: Layout): ServerRecord | undefined {
  return readJson<ServerRecord>(record);
}

function readJson<T>(path: string): T | undefined {
  const text = readIfThere(path);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as T);
  } catch {
    // A machine that crashed may have left it empty. All that it says can be found out.
    return undefined;
  }
}

/** The server of a directory, when it runs. */
export function runningServer(layout: Layout): RunningServer | undefined {
  const record = readRecord(layout);
  const postmaster = record && runningPostmaster(record.data);
  return postmaster && { ...postmaster, url: serverUrl(postmaster.port), data: record.data };
}

/** The API of a directory, when it runs. */
export function runningApi({ api, directory }: Layout): RunningApi | undefined {
  const record = readJson<ApiRecord>(api);
  if (!record || !isApiOf(directory, record.pid)) return undefined;
  return { ...record, url: `http://127.0.0.1:${record.port}` };
}

/** Whether a process is the API of this directory. */
export function isApiOf(directory: string, pid: number): boolean {
  return commandLine(pid).includes(`${API_MAIN} --directory ${directory} `);
}

/** Whether a running server needs nothing from a start. */
function isComplete(layout: Layout, { ready }: Postmaster): boolean {
  const record = readRecord(layout);
  return (
    ready &&
    existsSync(layout.environment) &&
    !needsPartitions(record) &&
    record?.platform === platformFingerprint()
  );
}

/** The files of the platform, in the order in which they run. */
export function platformFiles(): string[] {
  return readdirSync(SQL)
    .filter((name) => /^\d\d_.*\.sql$/.test(name))
    .sort()
    .map((name) => join(SQL, name));
}

/** Changes with any file of the platform. */
export function platformFingerprint(): string {
  const hash = createHash('sha256');
  for (const path of platformFiles()) hash.update(readFileSync(path));
  return hash.digest('hex').slice(0, 16);
}

export function needsPartitions(record: ServerRecord | undefined): boolean {
  const until = Date.parse(record?.realtimeUntil ?? '');
  return !(until - Date.now() > REALTIME_DAYS_LEFT * DAY);
}

/**
 * The server that runs on a data directory. A postmaster.pid alone proves nothing: the process may be dead, and its
 * number may have gone to somebody else.
 */
export function runningPostmaster(data: string): Postmaster | undefined {
  const lines = readIfThere(join(data, 'postmaster.pid'))?.split('\n') ?? [];
  const pid = Number(lines[0]);
  if (!pid || !isPostgresOn(data, pid)) return undefined;
  return {
    pid,
    port: Number(lines[3]),
    startedAt: new Date(Number(lines[2]) * 1000),
    ready: lines[7]?.trim() === 'ready',
  };
}

/** Whether a process is the server of this data directory: all of ours are started as `postgres -D <data> …`. */
export function isPostgresOn(data: string, pid: number): boolean {
  return commandLine(pid).includes(`/postgres -D ${data} `);
}

function commandLine(pid: number): string {
  try {
    if (process.platform === 'linux') {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    }
    return execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return '';
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/**
 * What `start` says when there is nothing to do; undefined when that takes a closer look. Loading the whole command
 * line takes longer than all the rest, and a start that finds its server running is the most frequent of all.
 */
export function quickAnswer(args: string[], layout: Layout = layoutOf()): string | undefined {
  const [command, ...given] = args;
  if (command !== 'start' || given.some((option) => !['--unless-given', '--no-api'].includes(option)))
    return undefined;
  const unlessGiven = given.includes('--unless-given');
  if (unlessGiven && (process.env.DATABASE_URL || process.env.DIRECT_URL)) return GIVEN;
  // Whether .env names a database takes a closer look.
  if (unlessGiven && existsSync(join(CHECKOUT, '.env'))) return undefined;
  const running = runningServer(layout);
  if (!running || !isComplete(layout, running)) return undefined;
  const api = runningApi(layout);
  return api || given.includes('--no-api') ? alreadyRuns(running, api) : undefined;
}

export const GIVEN = 'a database is given: no local one is started';

export function alreadyRuns({ url }: RunningServer, api: RunningApi | undefined): string {
  return `already runs: ${url}${api ? `, API: ${api.url}` : ''}`;
}
