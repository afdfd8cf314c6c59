import { randomBytes } from 'node:crypto';
import { delimiter, dirname, join, resolve } from 'node:path';
import { CommandError, describe, loadEnvironment, repositoryRoot, type Target, target } from '@mobvibe/cli';
import { loginUrl } from '@mobvibe/db';
import { z } from 'zod';

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
  dataDirectory: string;
  agent: { model?: string | undefined; maxTurns: number; maxBudgetUsd: number };
  /** Undefined: the scripted model server. */
  anthropic: { apiKey: string; baseUrl: string } | undefined;
  /** What the agent's programs get of this machine's environment. */
  system: Record<string, string>;
}

const number = (least: number, most: number, kind: 'int' | 'any' = 'any') => {
  const error = `must be a ${kind === 'int' ? 'whole ' : ''}number from ${least} to ${most}`;
  const base = z.coerce.number({ error }).min(least, { error }).max(most, { error });
  return kind === 'int' ? base.int({ error }) : base;
};
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
  data: z
    .string()
    .min(1)
    .default(join(repositoryRoot, '.local', 'worker')),
  model: z.string().min(1).optional(),
  maxTurns: number(1, 10_000, 'int').default(100),
  maxBudget: number(0.01, 10_000).default(5),
});

/** Settings as the command line gives them: text, times in seconds. */
export type WorkerSettings = { [Key in keyof z.input<typeof schema>]?: string | number | undefined };

/**
 * The worker's typed configuration, from its settings and the environment.
 * @throws CommandError naming the setting that is wrong.
 */
export function loadWorkerConfig(settings: WorkerSettings = {}): WorkerConfig {
  const parsed = schema.safeParse(settings);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const option = String(issue?.path[0]).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new CommandError(`--${option}: ${issue?.message}`, 'pnpm worker run --help says what it takes', {
      exitCode: 2,
    });
  }
  const { lease, poll, timeout, data, model, maxTurns, maxBudget, ...rest } = parsed.data;
  const { ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL } = loadEnvironment();
  return {
    ...rest,
    leaseMs: lease,
    pollMs: poll,
    jobTimeoutMs: timeout,
    dataDirectory: resolve(data),
    agent: { model, maxTurns, maxBudgetUsd: maxBudget },
    anthropic: ANTHROPIC_API_KEY
      ? { apiKey: ANTHROPIC_API_KEY, baseUrl: ANTHROPIC_BASE_URL ?? 'https://api.anthropic.com' }
      : undefined,
    system: systemEnvironment(),
  };
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
