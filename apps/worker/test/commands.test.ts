import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { openLocalSandboxes } from '../src/sandbox/local.ts';
import { databaseId } from '../src/sandbox/open.ts';
import { startCommand } from './command.ts';
import { createFixture, type Fixture, hanging } from './fixture.ts';
import { until } from './support.ts';

let db: TestDatabase;
let fixture: Fixture;

beforeAll(async () => {
  db = await createTestDatabase();
  fixture = await createFixture(db);
});
afterEach(() => fixture.clear());
afterAll(async () => {
  await db?.drop();
  await fixture?.remove();
});

const worker = (args: string[], url = db.url) => startCommand(args, { DATABASE_URL: url }).ended;
const NOBODY = '00000000-0000-4000-8000-000000000000';

/** Makes a job fail, as its last attempt would have. */
const fail = (id: string, ago = '1 minute') =>
  db.sql
    .query(
      `with running as (
       select private.claim_jobs('failing', 100, interval '1 hour')
     )
     select from running`,
    )
    .then(() =>
      db.sql.query(
        "update public.coding_jobs set status = 'failed', completed_at = now() - $2::interval, lease_expires_at = null where id = $1",
        [id, ago],
      ),
    );

describe('status', () => {
  it('shows the queue, its workers and its sessions', async () => {
    const agent = hanging();
    const running = await fixture.start(agent.run, { concurrency: 1 });
    const session = await fixture.createSession();
    await fixture.enqueue(session, 'my secret diary');
    await until(() => agent.started() === 1);
    await fixture.enqueue(session, 'and more of it');

    const json = await worker(['status', '--json']);
    expect(json).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(json.stdout)).toMatchObject({
      queue: { pending: 1, due: 1, delayed: 0, processing: 1, active_sessions: 1, live_workers: 1 },
      workers: [{ id: running.id, jobs: 1, pid: process.pid, state: 'busy' }],
      sessions: [{ id: session.sessionId, status: 'active', processing: 1, pending: 1 }],
    });
    const table = await worker(['status']);
    expect(table.code).toBe(0);
    expect(table.stderr).toContain('database: mobvibe_worker@');
    expect(table.stdout).toContain(running.id);
    expect(table.stdout).toContain(session.sessionId);
    expect(json.stdout + table.stdout).not.toMatch(/diary|@example\.com/);
  });

  it('draws again and again on a terminal only', async () => {
    expect(await worker(['status', '--watch'])).toMatchObject({
      code: 2,
      stderr: 'error: --watch draws on a terminal only\nfix: leave --watch out\n',
    });
  });
});

describe('requeue', () => {
  it('puts failed jobs back, and says which it left as they are', async () => {
    const id = await fixture.enqueue(await fixture.createSession());
    await fail(id);
    const result = await worker(['requeue', id, NOBODY, '--json']);
    expect(result).toMatchObject({ code: 1, stderr: '' });
    expect(JSON.parse(result.stdout)).toEqual({ changed: [{ id, status: 'pending' }], skipped: [NOBODY] });
    expect(await fixture.statusOf(id)).toBe('pending');
  });

  it('puts back all that failed, or all that failed lately', async () => {
    const [old, recent] = [
      await fixture.enqueue(await fixture.createSession()),
      await fixture.enqueue(await fixture.createSession()),
    ];
    await fail(old, '3 hours');
    await fail(recent, '5 minutes');
    expect(await worker(['requeue', '--all-failed', '--since', '1h'])).toMatchObject({
      code: 0,
      stdout: `${recent} pending\n`,
    });
    expect(await fixture.statusOf(old)).toBe('failed');
    expect(await worker(['requeue', '--all-failed'])).toMatchObject({ code: 0, stdout: `${old} pending\n` });
    expect(await worker(['requeue', '--all-failed'])).toMatchObject({ code: 0, stdout: '' });
  });

  it.each([
    [[], 'either ids or --all-failed'],
    [[NOBODY, '--all-failed'], 'either ids or --all-failed'],
    [['x'], '"x" is no id of a job'],
    [['--all-failed', '--since', 'monday'], '--since: "monday" is no time'],
  ])('refuses what cannot be meant: %j', async (args, message) => {
    const { code, stderr } = await worker(['requeue', ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/\nfix: .+\n$/);
  });
});

describe('cancel', () => {
  it('cancels a pending job at once, and a running one through its worker', async () => {
    const session = await fixture.createSession();
    const agent = hanging();
    const running = await fixture.enqueue(session);
    await fixture.start(agent.run, { leaseMs: 1_500 });
    await until(() => agent.started() === 1);
    const pending = await fixture.enqueue(session);
    const result = await worker(['cancel', running, pending, '--json']);
    expect(result.code).toBe(0);
    expect(JSON.parse(result.stdout)).toEqual({
      changed: expect.arrayContaining([
        { id: running, status: 'processing' },
        { id: pending, status: 'cancelled' },
      ]),
      skipped: [],
    });
    await until(async () => (await fixture.statusOf(running)) === 'cancelled');
    expect(await worker(['cancel', pending])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('left as it is'),
    });
  });
});

describe('maintain', () => {
  it('does what is to be done, and then nothing', async () => {
    const id = await fixture.enqueue(await fixture.createSession());
    await db.sql.query("select private.claim_jobs('dead', 1, interval '-1 second')");
    const idle = await fixture.createSession();
    await db.sql.query(
      "update public.coding_sessions set expires_at = now() - interval '1 second' where id = $1",
      [idle.sessionId],
    );
    const sandboxes = await openLocalSandboxes(fixture.data, databaseId(db.url));
    await sandboxes.open({ id: idle.sessionId, userId: idle.userId, projectId: NOBODY, sandboxId: null });
    const args = ['maintain', '--data', fixture.data, '--json'];
    const first = await worker(args);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(first.stdout)).toMatchObject({
      jobs_reaped: 1,
      sessions_expired: 1,
      sandboxes_ended: 1,
    });
    expect(await fixture.statusOf(id)).toBe('pending');
    expect((await sandboxes.list()).map(({ sessionId }) => sessionId)).not.toContain(idle.sessionId);
    const second = await worker(args);
    expect(JSON.parse(second.stdout)).toEqual({
      jobs_reaped: 0,
      sessions_expired: 0,
      partitions_made: 0,
      sandboxes_ended: 0,
    });
  });
});

describe('every command', () => {
  const remote = 'postgresql://mobvibe_worker:x@db.invalid:5432/postgres';

  it.each([[['requeue', NOBODY]], [['cancel', NOBODY]], [['maintain']]])(
    'that changes something refuses a database elsewhere: %j',
    async (args) => {
      const { code, stderr } = await worker(args, remote);
      expect(code).toBe(1);
      expect(stderr).toContain('database: mobvibe_worker@db.invalid:5432/postgres (remote)');
      expect(stderr).toMatch(/\nfix: .*--allow-remote\n$/);
    },
  );

  it('says in two lines that there is no queue, or no server', async () => {
    const bare = await createTestDatabase('platform');
    const missing = await worker(['status'], bare.url);
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toMatch(/\nerror: .+ has no job queue.*\nfix: .+\n$/);
    const silent = Object.assign(new URL(bare.url), { port: '1' }).href;
    expect((await worker(['status'], silent)).stderr).toMatch(
      /\nerror: nothing listens at 127.0.0.1:1\nfix: .+\n$/,
    );
    await bare.drop();
  });

  it('has help', async () => {
    const { code, stdout } = await worker(['run', '--help']);
    expect(code).toBe(0);
    for (const text of ['--grace', '--port', '--connections', 'WORKER_CONCURRENCY'])
      expect(stdout).toContain(text);
  });
});
