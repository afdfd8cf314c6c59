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
import { startStack, stopStack } from '@mobvibe/local';
import { applyLayer, setLoginPasswords } from '@mobvibe/rls-sql';
import { seed } from '@mobvibe/seed';
import { type Page, servePage } from '@mobvibe/web';
import { createLog, loadWorkerConfig, startWorker } from '@mobvibe/worker';
import { type DemoApi, openApi, signIn } from './api.ts';
import { followLive } from './follow-live.ts';
import { followPolling } from './follow-polling.ts';
import type { PhoneEvent } from './followed.ts';
import { type Person, signUp } from './person.ts';
import { openPhone } from './phone.ts';
import { showEvent } from './show.ts';

export interface WalkOptions {
  prompt: string;
  /** Where the agent works. */
  data?: string | undefined;
  allowRemote: boolean;
  signal: AbortSignal;
  /** Called at the end with everything still running, which ends when this does. */
  linger?: ((summary: WalkSummary) => Promise<void>) | undefined;
}

export interface WalkSummary {
  database: string;
  /** Where the page is, while this runs; null without an API. */
  page: string | null;
  /** How the events came. */
  followed: 'realtime' | 'polling';
  job: { id: string; status: string; error: string | null };
  events: number;
  files: { path: string; bytes: number }[];
  /** Rows per table, as the signed-in user sees them and in all. */
  rows: { table: string; visible: number; total: number }[];
  milliseconds: { ready: number; first_event: number; total: number };
}

/** The whole walk: database, schema, sample data, a job as a signed-in user, a worker, its events and its files. */
export async function walk({ prompt, data, allowRemote, signal, linger }: WalkOptions): Promise<WalkSummary> {
  const started = performance.now();
  const since = () => Math.round(performance.now() - started);
  const closers: (() => Promise<unknown>)[] = [];
  try {
    const { to, api } = await prepare({ allowRemote, signal, closers, stopsStack: Boolean(linger) });
    const client = createServiceClient({ url: to.url, poolSize: 2 });
    closers.push(() => client.$disconnect());
    const person = await signUp(client, to);
    const phone = openPhone(to.url, person.id);
    closers.push(() => phone.hangUp());
    const supabase = api && (await signIn(api, person));
    if (supabase) closers.push(() => supabase.realtime.disconnect());
    const page = api && (await openPage(api, person, to));
    if (page) closers.push(() => page.close());
    await phone.cancelOpenSessions();
    const projectId = await phone.createProject('Demo');
    const sessionId = await phone.openSession(projectId);
    const jobId = await phone.enqueue(sessionId, prompt);
    const ready = since();
    say(`\nThe phone asks: “${prompt}”\n`);

    const storage = api?.secret ? { url: api.url, key: api.secret } : undefined;
    const config = { ...loadWorkerConfig({ concurrency: 1, data }), storage };
    const worker = await startWorker({
      target: describe(loginUrl('mobvibe_worker', { url: to.url })),
      config,
      ...(!linger && { jobs: 1 }),
      log: createLog({ level: 'error' }),
    });
    closers.push(() => worker.stop());

    let events = 0;
    let firstEvent = 0;
    const following = {
      ...{ sessionId, jobId, signal },
      onEvent: (event: PhoneEvent) => {
        firstEvent ||= since();
        events += 1;
        say(showEvent(event));
      },
    };
    const job = await (supabase ? followLive(supabase, following) : followPolling(phone, following));
    if (!linger) await worker.done;

    const files = await listFiles(join(config.dataDirectory, 'sessions', sessionId, 'project'));
    const rows = await countRows(phone.mine, client);
    const summary: WalkSummary = {
      database: to.description,
      page: page?.url ?? null,
      followed: supabase ? 'realtime' : 'polling',
      job: { id: jobId, status: job.status, error: job.errorMessage },
      events,
      files,
      rows,
      milliseconds: { ready, first_event: firstEvent, total: since() },
    };
    await linger?.(summary);
    return summary;
  } finally {
    for (const close of closers.reverse()) await close().catch(() => {});
  }
}

async function openPage(api: DemoApi, { email, password }: Person, to: Target): Promise<Page> {
  const hint = to.isLocal ? { email, password } : undefined;
  const page = await servePage({ supabaseUrl: api.url, publishableKey: api.key, hint });
  say(`the page: ${page.url}${hint ? ` (sign in as ${email}, password ${password})` : ''}`);
  return page;
}

interface PrepareOptions {
  allowRemote: boolean;
  signal: AbortSignal;
  /** What ends what is started here. */
  closers: (() => Promise<unknown>)[];
  /** Whether a local stack that is started here ends with the rest. */
  stopsStack: boolean;
}

async function prepare(options: PrepareOptions): Promise<{ to: Target; api: DemoApi | undefined }> {
  const { allowRemote, signal, closers, stopsStack } = options;
  if (!databaseIsGiven()) {
    const { already, port } = await startStack({ progress: { step, say }, signal });
    if (stopsStack && !already) closers.push(() => stopStack({ progress: { step, say } }));
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
  // After the migrations, so that PostgREST knows every table from the start.
  const opening = openApi(to, signal);
  const seeding = step('sample data', async () => {
    const client = createServiceClient({ url: to.url, poolSize: 2 });
    try {
      await seed(client, { scale: 'ci' });
    } finally {
      await client.$disconnect();
    }
  });
  const [opened, seeded] = await Promise.allSettled([opening, seeding]);
  if (opened.status === 'rejected') throw opened.reason;
  if (opened.value) closers.push(opened.value.close);
  if (seeded.status === 'rejected') throw seeded.reason;
  return { to, api: opened.value };
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
