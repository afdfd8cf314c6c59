import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import {
  CommandError,
  databaseIsGiven,
  describe,
  duration,
  refuseRemote,
  say,
  step,
  type Target,
  target,
  withConnection,
} from '@mobvibe/cli';
import { createServiceClient, loginUrl } from '@mobvibe/db';
import { deploy } from '@mobvibe/db/commands';
import { startStack } from '@mobvibe/local';
import { applyLayer, setLoginPasswords } from '@mobvibe/rls-sql';
import { seed } from '@mobvibe/seed';
import { createLog, loadWorkerConfig, startWorker } from '@mobvibe/worker';
import { follow } from './follow.ts';
import { signUp } from './person.ts';
import { openPhone } from './phone.ts';
import { showEvent } from './show.ts';

export interface WalkOptions {
  prompt: string;
  /** Where the agent works. */
  data?: string | undefined;
  allowRemote: boolean;
  signal: AbortSignal;
}

export interface WalkSummary {
  database: string;
  job: { id: string; status: string; error: string | null };
  events: number;
  files: { path: string; bytes: number }[];
  /** Rows per table, as the signed-in user sees them and in all. */
  rows: { table: string; visible: number; total: number }[];
  milliseconds: { ready: number; first_event: number; total: number };
}

/** The whole walk: database, schema, sample data, a job as a signed-in user, a worker, its events and its files. */
export async function walk({ prompt, data, allowRemote, signal }: WalkOptions): Promise<WalkSummary> {
  const started = performance.now();
  const since = () => Math.round(performance.now() - started);
  const to = await prepare(allowRemote, signal);

  const client = createServiceClient({ url: to.url, poolSize: 2 });
  const closers: (() => Promise<unknown>)[] = [() => client.$disconnect()];
  try {
    const userId = await signUp(client);
    const phone = openPhone(to.url, userId);
    closers.push(() => phone.hangUp());
    await phone.cancelOpenSessions();
    const projectId = await phone.createProject('Demo');
    const sessionId = await phone.openSession(projectId);
    const jobId = await phone.enqueue(sessionId, prompt);
    const ready = since();
    say(`\nThe phone asks: “${prompt}”\n`);

    const config = loadWorkerConfig({ concurrency: 1, data });
    const worker = await startWorker({
      target: describe(loginUrl('mobvibe_worker', { url: to.url })),
      config,
      jobs: 1,
      log: createLog({ level: 'error' }),
    });
    closers.push(() => worker.stop());

    let events = 0;
    let firstEvent = 0;
    const job = await follow(
      phone,
      sessionId,
      jobId,
      (event) => {
        firstEvent ||= since();
        events += 1;
        say(showEvent(event));
      },
      signal,
    );
    await worker.done;

    const files = await listFiles(join(config.dataDirectory, 'sessions', sessionId, 'project'));
    const rows = await countRows(phone.mine, client);
    return {
      database: to.description,
      job: { id: jobId, status: job.status, error: job.errorMessage },
      events,
      files,
      rows,
      milliseconds: { ready, first_event: firstEvent, total: since() },
    };
  } finally {
    for (const close of closers.reverse()) await close().catch(() => {});
  }
}

async function prepare(allowRemote: boolean, signal: AbortSignal): Promise<Target> {
  if (!databaseIsGiven()) {
    const { already, port } = await startStack({ progress: { step, say }, signal });
    say(`local stack: ${already ? 'already running' : 'started'}, on port ${port}`);
  }
  const to = target('migration');
  say(`database: ${to.description}`);
  refuseRemote(to, 'the demo', allowRemote);
  signal.throwIfAborted();
  await deploy(to);
  signal.throwIfAborted();
  await step('row-level security, functions, grants', () =>
    withConnection(to, async (client) => {
      const { applied, unchanged } = await applyLayer(client);
      await setLoginPasswords(client, to);
      return `${applied.length} files applied, ${unchanged} unchanged, verified`;
    }),
  );
  signal.throwIfAborted();
  await step('sample data', async () => {
    const client = createServiceClient({ url: to.url, poolSize: 2 });
    try {
      await seed(client, { scale: 'ci' });
    } finally {
      await client.$disconnect();
    }
  });
  return to;
}

async function listFiles(directory: string): Promise<WalkSummary['files']> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => {
    throw new CommandError(`the agent's directory ${directory} is gone`, 'run the demo again');
  });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    paths.sort().map(async (path) => ({ path: relative(directory, path), bytes: (await stat(path)).size })),
  );
}

/** What any of our clients can count. */
type Counting = Record<
  'profile' | 'project' | 'codingSession' | 'codingJob' | 'sessionEvent',
  { count(): PromiseLike<number> }
>;

const countAll = async (client: Counting) => ({
  profiles: await client.profile.count(),
  projects: await client.project.count(),
  coding_sessions: await client.codingSession.count(),
  coding_jobs: await client.codingJob.count(),
  session_events: await client.sessionEvent.count(),
});

async function countRows(mine: Counting, all: Counting): Promise<WalkSummary['rows']> {
  const visible = await countAll(mine);
  return Object.entries(await countAll(all)).map(([table, total]) => ({
    table,
    visible: visible[table as keyof typeof visible],
    total,
  }));
}

/** The summary as a person reads it. */
export function showSummary({ job, events, files, rows, milliseconds }: WalkSummary): string {
  const width = Math.max(...rows.map(({ table }) => table.length));
  return [
    '',
    'Files the agent wrote',
    ...files.map(({ path, bytes }) => `  ${path} (${bytes} bytes)`),
    '',
    `${'Rows'.padEnd(width + 2)} this user      all`,
    ...rows.map(
      ({ table, visible, total }) =>
        `  ${table.padEnd(width)} ${String(visible).padStart(9)} ${String(total).padStart(8)}`,
    ),
    '',
    `Job ${job.status}${job.error ? `: ${job.error}` : ''}, ${events} events.`,
    `Ready after ${duration(milliseconds.ready)}, first event after ${duration(milliseconds.first_event)}, all in ${duration(milliseconds.total)}.`,
  ].join('\n');
}
