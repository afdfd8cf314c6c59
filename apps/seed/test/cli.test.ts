import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createServiceClient, type ServiceClient } from '@mobvibe/db';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { clean, seed, seededUsers } from '../src/index.ts';

const command = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const seeded = seededUsers().length;
// A process takes its time where others have the processor.
vi.setConfig({ testTimeout: 180_000 });
let db: TestDatabase;
let client: ServiceClient;

beforeAll(async () => {
  db = await createTestDatabase();
  client = createServiceClient({ url: db.url });
});
afterEach(() => clean(client));
afterAll(async () => {
  await client.$disconnect();
  await db.drop();
});

it('seeds, and says where', async () => {
  const { exitCode, stdout, stderr } = await run([]);
  expect(exitCode).toBe(0);
  expect(stderr).toContain(`${new URL(db.url).pathname} (local)`);
  expect(stdout).toMatch(new RegExp(`auth\\.users +${seeded} +${seeded} +${seeded}\n`));
  expect(await client.user.count()).toBe(seeded);
});

it('gives a machine the same summary as a caller, whatever the locale', async () => {
  const summary = await seed(client);
  const { stdout, stderr } = await run(['--json'], { TZ: 'Asia/Kathmandu', LC_ALL: 'ar_EG.UTF-8' });
  expect(stderr).toBe('');
  const tables = summary.tables.map((table) => ({ ...table, added: 0 }));
  const { peakMemoryMiB, ...printed } = JSON.parse(stdout);
  expect(printed).toEqual({ ...summary, added: 0, tables });
  expect(peakMemoryMiB).toBeGreaterThan(10);
});

it('cleans, and only says so in a dry run', async () => {
  await seed(client);
  expect(await run(['--clean', '--dry-run'])).toMatchObject({ exitCode: 0 });
  expect(await client.user.count()).toBe(seeded);
  expect(await run(['--clean'])).toMatchObject({ exitCode: 0 });
  expect(await client.user.count()).toBe(0);
});

describe('on a remote database', () => {
  it.each([[[]], [['--clean']]])('refuses without --allow-remote: %j', async (args) => {
    const DATABASE_URL = 'postgresql://postgres:secret@db.example.com:5432/postgres';
    const { exitCode, stderr } = await run(args, { DATABASE_URL });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('postgres@db.example.com:5432/postgres (remote)');
    expect(stderr).toMatch(/\nfix: .*--allow-remote\n$/);
    expect(stderr).not.toContain('secret');
  });
});

it('exits with 2 when an option is wrong', async () => {
  const { exitCode, stderr } = await run(['--seed', 'one']);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/^error: --seed is not .*\nfix: .*\n$/);
});

it('says in two lines what is wrong with the connection', async () => {
  const { exitCode, stderr } = await run([], { DATABASE_URL: `${db.url}_missing` });
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/error: there is no database .*\nfix: .*\n$/);
});

it('leaves nothing behind when it is interrupted', async () => {
  // Users, projects, sessions, jobs are written already when it comes to the events.
  await db.sql.query('begin; lock table public.session_events in exclusive mode');
  const child = start([]);
  await expect.poll(waiting, { timeout: 90_000 }).toBe(1);
  child.kill('SIGINT');
  await once(child, 'close');
  await db.sql.query('rollback');
  await expect.poll(connections, { timeout: 30_000 }).toBe(0);
  expect(await client.user.count()).toBe(0);
  expect(await client.worker.count()).toBe(0);
});

const number = async (query: string) => Number((await db.sql.query<{ count: string }>(query)).rows[0]?.count);
const waiting = () =>
  number("select count(*) from pg_locks where relation = 'public.session_events'::regclass and not granted");
const connections = () =>
  number(`select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null`);

function start(args: string[], environment: Record<string, string> = {}) {
  return spawn(process.execPath, ['--import', 'tsx', command, ...args], {
    env: { ...process.env, DATABASE_URL: db.url, ...environment },
  });
}

async function run(args: string[], environment?: Record<string, string>) {
  const child = start(args, environment);
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const [exitCode] = await once(child, 'close');
  return { exitCode, stdout: stdout(), stderr: stderr() };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
  });
  return () => text;
}
