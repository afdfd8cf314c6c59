import { randomBytes } from 'node:crypto';
import { delimiter, dirname, join, resolve } from 'node:path';
import {
  CommandError,
  describe,
  type Environment,
  loadEnvironment,
  readEnvironmentFile,
  repositoryRoot,
  type Target,
  target,
} from '@mobvibe/cli';
import { loginUrl } from '@mobvibe/db/connection';
import { z } from 'zod';
import type { FlyConfig } from './sandbox/open.ts';
import type { StorageConfig } from './storage/bucket.ts';

export interface WorkerConfig {
  /**
   * New for each process: (worker, attempt) is the fencing token, and a restarted worker must not inherit it. The
   * owner of a job can read it, so it names no host; private.workers knows where it ran.
   */
  workerId: string;
  concurrency: number;
  leaseMs: number;
  pollMs: number;
  jobTimeoutMs: number;
  /** How long running jobs may go on after the first signal to stop. */
  graceMs: number;
  /** Connections to the database, one more listens. */
  connections: number;
  /** Where /healthz, /readyz and /metrics are served; undefined: nowhere. */
  http: { host: string; port: number } | undefined;
  dataDirectory: string;
  /** The tier says; a model given here is used instead, and limits only where the tier's are higher. */
  agent: { model?: string | undefined; maxTurns?: number | undefined; maxBudgetUsd?: number | undefined };
  /** Undefined: sandboxes are directories of this machine. */
  fly: FlyConfig | undefined;
  /** Undefined: what the agent writes stays in its sandbox. */
  storage: StorageConfig | undefined;
  /** Undefined: the scripted model server. */
  anthropic: { apiKey: string; baseUrl: string } | undefined;
  logLevel: string;
  /** What the agent's programs get of this machine's environment. */
  system: Record<string, string>;
}

const number = (least: number, most: number, kind: 'int' | 'any' = 'any') => {
  const error = `must be a ${kind === 'int' ? 'whole ' : ''}number from ${least} to ${most}`;
  const base = z.coerce.number({ error }).min(least, { error }).max(most, { error });
  return kind === 'int' ? base.int({ error }) : base;
};
/** Seconds as a person gives them, in milliseconds. */
const seconds = (least: number, most: number) => number(least, most).transform((value) => value * 1000);

const schema = z.object({
  workerId: z
    .string()
    .regex(/^[\w.:-]{1,200}$/, 'letters, digits and . : _ - only, at most 200')
    .default(() => `worker-${randomBytes(6).toString('hex')}`),
  concurrency: number(1, 100, 'int').default(2),
  lease: seconds(1, 3_600).default(30_000),
  poll: seconds(0.1, 3_600).default(5_000),
  timeout: seconds(1, 86_400).default(30 * 60_000),
  grace: seconds(0, 86_400).default(20_000),
  connections: number(1, 1_000, 'int').optional(),
  host: z.string().min(1).default('127.0.0.1'),
  port: number(0, 65_535, 'int').optional(),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  data: z
    .string()
    .min(1)
    .default(join(repositoryRoot, '.local', 'worker')),
  model: z.string().min(1).optional(),
  maxTurns: number(1, 10_000, 'int').optional(),
  maxBudget: number(0.01, 10_000).optional(),
});

const archiveSchema = z.object({
  keep: number(1, 1_200, 'int').default(12),
  to: z.string().min(1).optional(),
});

export type ArchiveSettings = { [Key in keyof z.input<typeof archiveSchema>]?: string | undefined };

export interface ArchiveConfig {
  /** How many whole months stay in the database, besides the current one. */
  keep: number;
  /** Undefined: Storage. */
  directory: string | undefined;
  storage: StorageConfig | undefined;
}

export type WorkerSetting = keyof z.input<typeof schema>;

/** Settings as the command line gives them: text, times in seconds. */
export type WorkerSettings = { [Key in WorkerSetting]?: string | number | undefined };

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The environment variable of a setting: WORKER_MAX_TURNS for --max-turns. */
const variableOf = (setting: string) => `WORKER_${kebab(setting).replaceAll('-', '_').toUpperCase()}`;

/** The environment variable of a setting of archives: WORKER_ARCHIVE_KEEP for --keep. */
const archiveVariableOf = (setting: string) => variableOf(`archive-${setting}`);

/** Must differ for each process, so no environment that several share may give it. */
const NOT_FROM_ENVIRONMENT: WorkerSetting = 'workerId';

/**
 * The worker's typed configuration: from its settings, then from WORKER_… variables of the environment or `.env`.
 * @throws CommandError naming the setting that is wrong.
 */
export function loadWorkerConfig(settings: WorkerSettings = {}): WorkerConfig {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  const names = Object.keys(schema.shape).filter((name) => name !== NOT_FROM_ENVIRONMENT);
  const parsed = schema.safeParse({ ...settingsOfEnvironment(names, variableOf), ...given });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const setting = String(issue?.path[0]);
    const name = setting in given ? `--${kebab(setting)}` : variableOf(setting);
    throw new CommandError(`${name}: ${issue?.message}`, 'pnpm worker run --help says what it takes', {
      exitCode: 2,
    });
  }
  const { lease, poll, timeout, grace, connections, host, port, data, model, maxTurns, maxBudget, ...rest } =
    parsed.data;
  const environment = loadEnvironment();
  const { ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL } = environment;
  return {
    ...rest,
    leaseMs: lease,
    pollMs: poll,
    jobTimeoutMs: timeout,
    graceMs: grace,
    // Jobs write rarely and briefly; one more for claims and heartbeats each.
    connections: connections ?? Math.min(rest.concurrency + 2, 20),
    http: port === undefined ? undefined : { host, port },
    dataDirectory: resolve(data),
    agent: { model, maxTurns, maxBudgetUsd: maxBudget },
    fly: flyConfig(environment),
    storage: storageConfig(environment),
    anthropic: ANTHROPIC_API_KEY
      ? { apiKey: ANTHROPIC_API_KEY, baseUrl: ANTHROPIC_BASE_URL ?? 'https://api.anthropic.com' }
      : undefined,
    system: systemEnvironment(),
  };
}

/**
 * What of the months is archived, and where to: from the settings, then from WORKER_ARCHIVE_… variables.
 * @throws CommandError naming the setting that is wrong.
 */
export function loadArchiveConfig(settings: ArchiveSettings = {}): ArchiveConfig {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  const environment = settingsOfEnvironment(Object.keys(archiveSchema.shape), archiveVariableOf);
  const parsed = archiveSchema.safeParse({ ...environment, ...given });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const setting = String(issue?.path[0]);
    const name = setting in given ? `--${setting}` : archiveVariableOf(setting);
    throw new CommandError(`${name}: ${issue?.message}`, 'pnpm worker archive --help says what it takes', {
      exitCode: 2,
    });
  }
  const { keep, to } = parsed.data;
  return { keep, directory: to, storage: storageConfig(loadEnvironment()) };
}

function flyConfig(environment: Environment): FlyConfig | undefined {
  const { FLY_API_TOKEN: token, FLY_APP_NAME: app } = environment;
  if (!token && !app) return undefined;
  if (!token || !app) {
    const missing = token ? 'FLY_APP_NAME' : 'FLY_API_TOKEN';
    throw new CommandError(
      `${missing} is missing: sandboxes on Fly.io need both it and ${token ? 'FLY_API_TOKEN' : 'FLY_APP_NAME'}`,
      'set both, or neither for sandboxes on this machine',
      { exitCode: 2 },
    );
  }
  return {
    token,
    app,
    baseUrl: environment.FLY_API_HOSTNAME,
    image: environment.FLY_SANDBOX_IMAGE,
    region: environment.FLY_SANDBOX_REGION,
    previewUrl: environment.FLY_PREVIEW_URL,
  };
}

function storageConfig(environment: Environment): StorageConfig | undefined {
  const { SUPABASE_URL: url, SUPABASE_SECRET_KEY: key } = environment;
  return url && key ? { url, key } : undefined;
}

function settingsOfEnvironment(names: string[], variable: (name: string) => string): Record<string, string> {
  const environment = { ...readEnvironmentFile(join(repositoryRoot, '.env')), ...process.env };
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = environment[variable(name)];
      return value ? [[name, value]] : [];
    }),
  );
}

/**
 * The database as a worker logs in: as mobvibe_worker, or as DATABASE_URL says where that is a remote database and
 * MOBVIBE_WORKER_PASSWORD is not given.
 * @throws CommandError when no database is given.
 */
export function workerTarget(): Target {
  const given = target('runtime');
  const { MOBVIBE_WORKER_PASSWORD: password } = loadEnvironment();
  if (!given.isLocal && !password) return given;
  return describe(loginUrl('mobvibe_worker', { url: given.url, password }));
}

function systemEnvironment(): Record<string, string> {
  const names = ['LANG', 'LC_ALL', 'TZ', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];
  const present = names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []));
  // Node is there, whatever PATH the worker was started with.
  const path = [process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin', dirname(process.execPath)].join(
    delimiter,
  );
  return { ...Object.fromEntries(present), PATH: path };
}
