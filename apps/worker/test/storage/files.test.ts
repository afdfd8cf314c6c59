import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe as describeTarget } from '@mobvibe/cli';
import { objectName } from '@mobvibe/sync';
import pino from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { contractTarget, startOwn, type Target, type TestUser } from '../../../../test/api/target.ts';
import { loadWorkerConfig } from '../../src/config.ts';
import { createClaudeExecutor } from '../../src/executor/claude/claude.ts';
import type { Execution } from '../../src/executor/executor.ts';
import { openScriptedModelApi } from '../../src/model-api/scripted.ts';
import { openFlySandboxes } from '../../src/sandbox/fly/fly.ts';
import { startWorker } from '../../src/worker.ts';
import { bash, calling } from '../executors/agent.ts';
import { createFixture, done, type Fixture, gate, type Run, type Session } from '../fixture.ts';
import { startFlyServer } from '../sandbox/fly-server.ts';
import { until } from '../support.ts';
import { type Gateway, startGateway } from './gateway.ts';

let own: Awaited<ReturnType<typeof startOwn>>;
let target: Target;
let gateway: Gateway;
let fixture: Fixture;
let alice: TestUser;
let bob: TestUser;
let lines: { level: number; msg: string }[];

beforeAll(async () => {
  own = await startOwn();
  gateway = await startGateway(own.api.url);
  // The worker goes by way of the gateway, users do not.
  target = await contractTarget(own.environment);
  fixture = await createFixture(own.database);
  alice = await target.user();
  bob = await target.user();
  for (const { id } of [alice, bob])
    await own.database.sql.query("update public.profiles set tier = 'pro' where id = $1", [id]);
});
beforeEach(() => {
  lines = [];
});
afterEach(async () => {
  gateway.up();
  await fixture.clear();
  gateway.seen();
});
afterAll(async () => {
  await fixture?.remove();
  await gateway?.close();
  await own?.stop();
});

const storage = () => ({ url: gateway.url, key: target.secret });
const log = () =>
  pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) }) as never;
const warnings = () => lines.filter(({ level }) => level >= 40).map(({ msg }) => msg);
const uploads = () => gateway.seen().filter((line) => line.startsWith('POST /object/'));

async function createSession(user = alice): Promise<Session & { folder: string }> {
  const insert = async (sql: string, values: unknown[]) =>
    (await own.database.sql.query<{ id: string }>(`${sql} returning id`, values)).rows[0]?.id as string;
  const projectId = await insert("insert into public.projects (user_id, name) values ($1, 'p')", [user.id]);
  const sessionId = await insert('insert into public.coding_sessions (user_id, project_id) values ($1, $2)', [
    user.id,
    projectId,
  ]);
  return { userId: user.id, sessionId, folder: `${user.id}/${projectId}/${sessionId}/` };
}

/** An agent that writes files, and removes those that are null. */
const writing =
  (files: Record<string, string | null>): Run =>
  async ({ sandbox }) => {
    for (const [path, content] of Object.entries(files)) {
      const file = join(sandbox.project, path);
      await mkdir(dirname(file), { recursive: true });
      await (content === null ? rm(file) : writeFile(file, content));
    }
    return done;
  };

/** One job of a session, on a worker of its own. */
async function work(session: Session, run: Run): Promise<string> {
  const id = await fixture.enqueue(session);
  await (await fixture.start(run, { storage: storage(), untilIdle: true, log: log() })).done;
  return id;
}

const rowOf = async ({ sessionId }: Session) =>
  (
    await own.database.sql.query(
      'select storage_prefix, metadata from public.coding_sessions where id = $1',
      [sessionId],
    )
  ).rows[0];

/** Paths and contents of a folder, as a client sees them. */
async function contentsOf(user: { client: TestUser['client'] }, folder: string, below = '') {
  const bucket = user.client.storage.from('project-files');
  const found: Record<string, string | undefined> = {};
  const { data } = await bucket.list(folder + below, { limit: 1_000 });
  for (const { id, name } of data ?? []) {
    if (!id) Object.assign(found, await contentsOf(user, folder, `${below}${name}/`));
    else
      found[decodeURIComponent((below + name).replaceAll('=', '%'))] = await (
        await bucket.download(folder + below + name)
      ).data?.text();
  }
  return found;
}

describe('what an agent wrote', () => {
  const files = {
    'App.tsx': 'export default 1;',
    'app/(tabs)/[id].tsx': '[id]',
    'app/[...rest].tsx': 'rest',
    'docs/Grüße 日本 100%.md': 'ünï',
    'empty.txt': '',
  };

  it('is in its owner’s folder, for nobody else, and its session says where', async () => {
    const session = await createSession();
    const id = await work(session, async (execution) => {
      const { project } = execution.sandbox;
      await writing({
        ...files,
        'node_modules/x/index.js': 'x',
        '.git/config': 'x',
        '.mobvibe/preview.json': '{}',
      })(execution);
      await writeFile(join(fixture.data, 'secret'), 'secret');
      await symlink(join(fixture.data, 'secret'), join(project, 'link.txt'));
      await symlink(fixture.data, join(project, 'directory'));
      return done;
    });
    expect(await fixture.statusOf(id)).toBe('completed');
    expect(await contentsOf(alice, session.folder)).toEqual(files);
    expect(await rowOf(session)).toMatchObject({
      storage_prefix: session.folder,
      metadata: { files: Object.keys(files).sort(), file_hashes: expect.any(Object) },
    });
    const { metadata } = await rowOf(session);
    expect(Object.keys(metadata.file_hashes).sort()).toEqual(Object.keys(files).sort());

    const name = session.folder + objectName('app/(tabs)/[id].tsx');
    const { data } = await alice.client.storage.from('project-files').info(name);
    expect(data).toMatchObject({ contentType: expect.stringMatching(/^text\/plain/) });
    for (const stranger of [bob, { client: target.client() }]) {
      expect(await contentsOf(stranger, session.folder)).toEqual({});
      const bucket = stranger.client.storage.from('project-files');
      expect((await bucket.download(name)).error).toMatchObject({ message: expect.any(String) });
      expect((await bucket.createSignedUrl(name, 60)).error).not.toBeNull();
    }
    expect(warnings()).toEqual([]);
  });

  it('is sent again only where it changed, and goes when it is deleted', async () => {
    const session = await createSession();
    await work(session, writing({ 'a.txt': '1', 'b.txt': '1', 'src/c.txt': '1' }));
    expect(uploads()).toHaveLength(3);
    await work(session, writing({ 'b.txt': '2', 'src/c.txt': null }));
    expect(uploads()).toEqual([`POST /object/${session.folder}b.txt`]);
    expect(await contentsOf(alice, session.folder)).toEqual({ 'a.txt': '1', 'b.txt': '2' });
    await work(session, async () => done);
    // Not even a file's bytes: whether there is anything to do says the row.
    expect(gateway.seen().filter((line) => !line.startsWith('GET /bucket/'))).toEqual([]);
    await work(session, async ({ sandbox: { project } }) => {
      await rename(join(project, 'a.txt'), join(project, 'z.txt'));
      return done;
    });
    expect(await contentsOf(alice, session.folder)).toEqual({ 'z.txt': '1', 'b.txt': '2' });
    expect((await rowOf(session)).metadata.files).toEqual(['b.txt', 'z.txt']);
  });

  it('is passed over where the bucket does not take it, and what was there of it goes', async () => {
    const session = await createSession();
    await work(session, writing({ 'small.txt': 'x', 'grows.txt': 'x' }));
    await own.database.sql.query(
      "update storage.buckets set file_size_limit = 1000 where id = 'project-files'",
    );
    try {
      const id = await work(
        session,
        writing({ 'grows.txt': 'x'.repeat(1_001), 'new.txt': 'x'.repeat(1_000) }),
      );
      expect(await fixture.statusOf(id)).toBe('completed');
    } finally {
      await own.database.sql.query(
        "update storage.buckets set file_size_limit = 52428800 where id = 'project-files'",
      );
    }
    expect(Object.keys(await contentsOf(alice, session.folder)).sort()).toEqual(['new.txt', 'small.txt']);
    const { metadata } = await rowOf(session);
    expect(metadata.files).toContain('grows.txt');
    expect(Object.keys(metadata.file_hashes).sort()).toEqual(['new.txt', 'small.txt']);
    expect(warnings()).toEqual(['files that Storage cannot have were passed over']);
  });

  it('is there too when Storage refuses one file', async () => {
    const session = await createSession();
    gateway.refuse('bad.txt', 400, 1);
    await work(session, writing({ 'bad.txt': 'x', 'good.txt': 'x' }));
    expect(await contentsOf(alice, session.folder)).toEqual({ 'good.txt': 'x' });
  });

  it('stays when its sandbox is lost, until it is written anew', async () => {
    const session = await createSession();
    await work(session, writing({ 'a.txt': '1', 'b.txt': '1' }));
    await rm(join(fixture.data, 'sessions', session.sessionId), { recursive: true });
    await work(session, writing({ 'a.txt': '2' }));
    expect(await contentsOf(alice, session.folder)).toEqual({ 'a.txt': '2', 'b.txt': '1' });
  });
});

it('an agent wrote on a machine of its own is uploaded too, and counted', async () => {
  const server = await startFlyServer();
  const { token, app, url: baseUrl } = server;
  const pace = { perSecond: 1_000, burst: 100 };
  const session = await createSession();
  const worker = await startWorker({
    target: describeTarget(fixture.workerUrl),
    config: {
      ...loadWorkerConfig({ data: fixture.data, port: 0 }),
      anthropic: undefined,
      storage: storage(),
    },
    log: log(),
    sandboxes: openFlySandboxes({ token, app, baseUrl, pace, retryDelayMs: 5, previewPort: 1 }),
    executor: {
      async run({ sandbox: { machine }, job }) {
        const command =
          job.prompt === 'First'
            ? 'mkdir app; echo one > App.tsx; head -c 3000000 /dev/zero > app/[big].bin; ln -s /etc/passwd link'
            : 'echo two > App.tsx; echo new > new.txt';
        await machine?.run(command, { timeoutMs: 10_000 });
        return done;
      },
    },
  });
  try {
    const expected = { 'App.tsx': 'one\n', 'app/[big].bin': '\0'.repeat(3_000_000) };
    const first = await fixture.enqueue(session, 'First');
    await until(async () => (await fixture.statusOf(first)) === 'completed');
    expect(await contentsOf(alice, session.folder)).toEqual(expected);
    gateway.seen();
    const second = await fixture.enqueue(session, 'Second');
    await until(async () => (await fixture.statusOf(second)) === 'completed');
    expect(uploads()).toHaveLength(2);
    expect(await contentsOf(alice, session.folder)).toEqual({
      ...expected,
      'App.tsx': 'two\n',
      'new.txt': 'new\n',
    });
    const metrics = await (await fetch(`${worker.url}/metrics`)).text();
    expect(metrics).toMatch(/mobvibe_worker_files_total\{outcome="uploaded"\} 4/);
  } finally {
    await worker.stop();
    await server.close();
  }
});

describe('a run that did not succeed', () => {
  it('leaves what it wrote when it fails', async () => {
    const session = await createSession();
    const id = await work(session, async (execution) => {
      await writing({ 'half.txt': '1/2' })(execution);
      throw new Error('broken');
    });
    await until(async () => (await fixture.statusOf(id)) !== 'processing');
    expect(await contentsOf(alice, session.folder)).toEqual({ 'half.txt': '1/2' });
    expect(await rowOf(session)).toMatchObject({
      storage_prefix: session.folder,
      metadata: { files: ['half.txt'] },
    });
  });

  it('leaves what it wrote when it is cancelled', async () => {
    const session = await createSession();
    const id = await fixture.enqueue(session);
    const written = gate();
    const worker = await fixture.start(
      async (execution) => {
        await writing({ 'half.txt': '1/2' })(execution);
        written.open();
        return new Promise((_, reject) => {
          execution.signal.addEventListener('abort', () => reject(execution.signal.reason));
        });
      },
      { storage: storage(), untilIdle: true, log: log() },
    );
    await written.opened;
    await own.database.sql.query('update public.coding_jobs set cancel_requested_at = now() where id = $1', [
      id,
    ]);
    await worker.done;
    expect(await fixture.statusOf(id)).toBe('cancelled');
    expect(await contentsOf(alice, session.folder)).toEqual({ 'half.txt': '1/2' });
  });

  const takeOver = (id: string) =>
    own.database.sql.query(
      `update public.coding_jobs set attempt = attempt + 1, worker_id = 'successor', lease_expires_at = now() + interval '1 hour'
       where id = $1`,
      [id],
    );

  it('writes nothing over its successor’s files', async () => {
    const session = await createSession();
    await work(session, writing({ 'a.txt': 'successor' }));
    gateway.seen();
    await work(session, async (execution: Execution) => {
      await writing({ 'a.txt': 'stale', 'b.txt': 'stale' })(execution);
      await takeOver(execution.job.id);
      return done;
    });
    expect(uploads()).toEqual([]);
    expect(await contentsOf(alice, session.folder)).toEqual({ 'a.txt': 'successor' });
  });

  it('sends nothing more once its lease is lost, and what it sent is sent again', async () => {
    const session = await createSession();
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`${index}.txt`, 'stale']));
    // No upload gets anywhere before the worker hears that the job is another's.
    let taken: Promise<unknown> | undefined;
    const heard = gate();
    gateway.onRequest(async (line) => {
      if (!line.startsWith('POST /object/')) return;
      taken ??= takeOver(jobId);
      await heard.opened;
    });
    const jobId = await fixture.enqueue(session);
    const worker = await fixture.start(writing(many), { storage: storage(), untilIdle: true, log: log() });
    expect(await worker.done).toMatchObject({ lost: 1 });
    heard.open();
    await taken;
    expect(uploads().length).toBeLessThanOrEqual(4);
    const { metadata, storage_prefix } = await rowOf(session);
    // Nothing says that any of them is what the successor's sandbox has.
    expect(storage_prefix).toBeNull();
    expect(new Set(Object.values(metadata.file_hashes))).toEqual(new Set([null]));
  });
});

describe('when Storage does not work', () => {
  it('jobs go on, the log says so once, and the next job makes up for it', async () => {
    const session = await createSession();
    const worker = await fixture.start(
      async (execution) => writing({ [`${execution.job.id}.txt`]: 'x' })(execution),
      { storage: storage(), log: log() },
    );
    gateway.down();
    const ids: string[] = [];
    for (let count = 0; count < 2; count++) {
      const id = await fixture.enqueue(session);
      ids.push(`${id}.txt`);
      await until(async () => (await fixture.statusOf(id)) === 'completed', 30_000);
    }
    expect(warnings()).toEqual(['files cannot be stored; going on without']);
    expect(await rowOf(session)).toMatchObject({
      storage_prefix: null,
      metadata: { files: [...ids].sort(), file_hashes: {} },
    });

    gateway.up();
    const id = await fixture.enqueue(session);
    await until(async () => (await fixture.statusOf(id)) === 'completed', 30_000);
    await worker.stop();
    expect(Object.keys(await contentsOf(alice, session.folder)).sort()).toEqual([...ids, `${id}.txt`].sort());
    expect(lines.map(({ msg }) => msg)).toContain('files can be stored again');
  });

  it.each([503, 429])('a passing %d is tried again', async (status) => {
    const session = await createSession();
    gateway.refuse('POST /object/', status, 2);
    await work(session, writing({ 'a.txt': '1' }));
    expect(await contentsOf(alice, session.folder)).toEqual({ 'a.txt': '1' });
    expect(warnings()).toEqual([]);
  });

  it('a refused key is no reason to fail a job, or to try for long', async () => {
    const session = await createSession();
    const id = await fixture.enqueue(session);
    const config = { url: gateway.url, key: target.key };
    await (await fixture.start(writing({ 'a.txt': '1' }), { storage: config, untilIdle: true, log: log() }))
      .done;
    expect(await fixture.statusOf(id)).toBe('completed');
    expect(warnings()).toEqual(['files cannot be stored; going on without']);
    expect(gateway.seen()).toHaveLength(1);
  });

  it('what may have been written is written again, also when the sandbox has the old content', async () => {
    const session = await createSession();
    await work(session, writing({ 'a.txt': 'old' }));
    // Carried out, but nobody hears of it, nor of the attempts after it.
    gateway.loseAnswerOf('a.txt');
    gateway.onRequest((line) => {
      if (line.endsWith('a.txt')) gateway.refuse('a.txt', 503, 100);
    });
    await work(session, writing({ 'a.txt': 'new' }));
    gateway.up();
    expect(await contentsOf(alice, session.folder)).toEqual({ 'a.txt': 'new' });
    expect((await rowOf(session)).metadata.file_hashes).toEqual({ 'a.txt': null });

    await work(session, writing({ 'a.txt': 'old' }));
    expect(await contentsOf(alice, session.folder)).toEqual({ 'a.txt': 'old' });
    expect((await rowOf(session)).metadata.file_hashes).toEqual({ 'a.txt': expect.any(String) });
  });
});

describe('the secret key', () => {
  it('is in no log line and not in the agent’s environment', async () => {
    const session = await createSession();
    const modelApi = await openScriptedModelApi({ script: calling(bash('env > environment.txt')) });
    const executor = createClaudeExecutor({ modelApi, system: { PATH: process.env.PATH ?? '' } });
    await work(session, (execution) => executor.run(execution));
    await modelApi.close();
    const { 'environment.txt': environment } = await contentsOf(alice, session.folder);
    expect(environment).toContain('ANTHROPIC_BASE_URL');
    expect(environment).not.toContain(target.secret);
    expect(environment).not.toContain('SUPABASE');
    expect(lines.length).toBeGreaterThan(2);
    expect(JSON.stringify(lines)).not.toContain(target.secret);
  });

  it('may be missing: then files stay where they are, and one line says so', async () => {
    const session = await createSession();
    await fixture.enqueue(session);
    const worker = await fixture.start(writing({ 'a.txt': '1' }), { untilIdle: true, log: log() });
    expect(await worker.done).toMatchObject({ completed: 1 });
    expect(lines.filter(({ msg }) => msg.includes('files stay in their sandboxes'))).toHaveLength(1);
    expect(await rowOf(session)).toEqual({ storage_prefix: null, metadata: { files: ['a.txt'] } });
  });
});
