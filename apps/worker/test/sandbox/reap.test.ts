import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loginUrl } from '@mobvibe/db/connection';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../test/harness/database.ts';
import { createLog } from '../../src/log.ts';
import { createQueue } from '../../src/queue/queue.ts';
import { openFlySandboxes } from '../../src/sandbox/fly/fly.ts';
import { openLocalSandboxes } from '../../src/sandbox/local.ts';
import { reapSandboxes } from '../../src/sandbox/reap.ts';
import type { Sandboxes } from '../../src/sandbox/sandbox.ts';
import { type FlyServer, startFlyServer } from './fly-server.ts';

let db: TestDatabase;
let pool: pg.Pool;
let server: FlyServer;
let data: string;

beforeAll(async () => {
  db = await createTestDatabase();
  pool = new pg.Pool({ connectionString: loginUrl('mobvibe_worker', { url: db.url }) });
  server = await startFlyServer();
  data = await mkdtemp(join(tmpdir(), 'worker-test-'));
});
afterEach(async () => {
  await db.sql.query('delete from public.projects');
  for (const { id } of server.machines()) await server.vanish(id);
});
afterAll(async () => {
  await pool?.end();
  await db?.drop();
  await server?.close();
  await rm(data, { recursive: true, force: true });
});

const fly = (database = 'db') =>
  openFlySandboxes({
    token: server.token,
    app: server.app,
    baseUrl: server.url,
    retryDelayMs: 5,
    retries: 1,
    pace: { perSecond: 1_000, burst: 100 },
    database,
  });
const reap = (sandboxes: Sandboxes, database = 'db') =>
  reapSandboxes({ pool, sandboxes, database, log: createLog({ level: 'silent' }) });

/** A session whose job is being worked on, in a sandbox that is noted in its row. */
async function createSession(sandboxes: Sandboxes) {
  const userId = await db.createUser({ tier: 'pro' });
  const one = async (sql: string, values: unknown[]) =>
    (await db.sql.query<{ id: string }>(sql, values)).rows[0];
  const project = await one("insert into public.projects (user_id, name) values ($1, 'p') returning id", [
    userId,
  ]);
  const projectId = project?.id ?? '';
  const session = await one(
    'insert into public.coding_sessions (user_id, project_id) values ($1, $2) returning id',
    [userId, projectId],
  );
  const id = session?.id ?? '';
  await db.sql.query("insert into public.coding_jobs (user_id, session_id, prompt) values ($1, $2, 'x')", [
    userId,
    id,
  ]);
  const queue = createQueue(pool, 'worker-1', 60_000);
  const [job] = await queue.claim(1);
  if (!job) throw new Error('nothing claimed');
  const sandbox = await sandboxes.open({ id, userId, projectId, sandboxId: null });
  await queue.updateSession(job, { sandbox_id: sandbox.id });
  return { id, userId, projectId, sandboxId: sandbox.id, finish: () => queue.complete(job, {}) };
}

const sandboxOf = async (session: { id: string }) =>
  (await db.sql.query('select sandbox_id from public.coding_sessions where id = $1', [session.id])).rows[0]
    ?.sandbox_id;
const projectSandboxOf = async (session: { projectId: string }) =>
  (await db.sql.query('select sandbox_id from public.projects where id = $1', [session.projectId])).rows[0]
    ?.sandbox_id;

describe.each([
  ['Fly', async () => fly()],
  ['this machine', () => openLocalSandboxes(data, 'db')],
])('sandboxes on %s', (_, open) => {
  it('end when their session expires, and only then', async () => {
    const sandboxes = await open();
    const session = await createSession(sandboxes);
    await session.finish();
    expect(await reap(sandboxes)).toBe(0);
    expect(await sandboxOf(session)).toBe(session.sandboxId);
    expect(await projectSandboxOf(session)).toBe(session.sandboxId);

    await db.sql.query(
      "update public.coding_sessions set expires_at = now() - interval '1 s' where id = $1",
      [session.id],
    );
    await pool.query('select private.expire_sessions()');
    expect(await reap(sandboxes)).toBe(1);
    expect(await sandboxes.list()).toEqual([]);
    expect(await sandboxOf(session)).toBeNull();
    expect(await projectSandboxOf(session)).toBeNull();
    expect(await reap(sandboxes)).toBe(0);
  });

  it('end when their owner cancels the session, once its job has been given up', async () => {
    const sandboxes = await open();
    const session = await createSession(sandboxes);
    await db.asUser(session.userId, (client) =>
      client.query("update public.coding_sessions set status = 'cancelled' where id = $1", [session.id]),
    );
    expect(await reap(sandboxes)).toBe(0);
    await session.finish();
    expect(await reap(sandboxes)).toBe(1);
    expect(await sandboxes.list()).toEqual([]);
    expect(await sandboxOf(session)).toBeNull();
  });
});

describe('a sandbox without a session', () => {
  const stranger = () => ({
    id: crypto.randomUUID(),
    userId: crypto.randomUUID(),
    projectId: crypto.randomUUID(),
    sandboxId: null,
  });
  const age = (milliseconds: number) => {
    for (const machine of server.machines())
      machine.created_at = new Date(Date.now() - milliseconds).toISOString();
  };

  it('is ended when it is old enough to be nobody’s', async () => {
    await fly().open(stranger());
    expect(await reap(fly())).toBe(0);
    age(60 * 60_000);
    expect(await reap(fly())).toBe(1);
    expect(server.machines()).toEqual([]);
  });

  it('is left alone where another database may know it', async () => {
    await fly('other').open(stranger());
    age(60 * 60_000);
    expect(await reap(fly())).toBe(0);
    expect(await reap(fly('other'), 'other')).toBe(1);
  });

  it('is ended where its session was deleted, on this machine too', async () => {
    const sandboxes = await openLocalSandboxes(data, 'db');
    const session = await createSession(sandboxes);
    await db.sql.query('delete from public.projects');
    const label = join(data, 'sessions', session.id, 'sandbox.json');
    expect(await reap(sandboxes)).toBe(0);
    await writeFile(label, JSON.stringify({ database: 'db', created_at: new Date(0) }));
    expect(await reap(sandboxes)).toBe(1);
    expect(await sandboxes.list()).toEqual([]);
  });
});

describe('ending sandboxes', () => {
  it('goes on with the others where one cannot be ended, and tries that one again', async () => {
    const sandboxes = fly();
    const sessions = [await createSession(sandboxes), await createSession(sandboxes)];
    for (const { finish } of sessions) await finish();
    await db.sql.query("update public.coding_sessions set status = 'cancelled'");
    server.fail('destroy', { status: 500 }, { status: 500 });
    expect(await reap(sandboxes)).toBe(1);
    expect(server.machines()).toHaveLength(1);
    expect((await Promise.all(sessions.map(sandboxOf))).filter(Boolean)).toHaveLength(1);
    expect(await reap(sandboxes)).toBe(1);
    expect(await Promise.all(sessions.map(sandboxOf))).toEqual([null, null]);
  });

  it('can be done by two workers at once', async () => {
    const session = await createSession(fly());
    await session.finish();
    await db.sql.query("update public.coding_sessions set status = 'cancelled'");
    await Promise.all([reap(fly()), reap(fly())]);
    expect(server.machines()).toEqual([]);
    expect(await sandboxOf(session)).toBeNull();
  });

  it('fails as a whole where the machines cannot be listed: nothing is forgotten', async () => {
    const session = await createSession(fly());
    await session.finish();
    await db.sql.query("update public.coding_sessions set status = 'cancelled'");
    server.fail('list', { status: 500 }, { status: 500 });
    await expect(reap(fly())).rejects.toMatchObject({ status: 500 });
    expect(await sandboxOf(session)).toBe(session.sandboxId);
  });
});
