import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createAppClient } from '@mobvibe/db';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const pgbouncer = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  .map((folder) => join(folder, 'pgbouncer'))
  .find(existsSync);
if (!pgbouncer)
  console.warn(
    'SKIPPED: no pgbouncer here (Debian: apt-get install pgbouncer): the client is not tested behind a transaction pooler',
  );

describe.skipIf(!pgbouncer)('behind PgBouncer in transaction mode, with 3 connections to the server', () => {
  let db: TestDatabase;
  let folder: string;
  let pooler: ChildProcess;
  let url: string;
  beforeAll(async () => {
    db = await createTestDatabase();
    const target = new URL(db.url);
    const port = await freePort();
    folder = await mkdtemp(join(tmpdir(), 'pgbouncer-'));
    await chmod(folder, 0o755);
    const config = join(folder, 'pgbouncer.ini');
    await writeFile(
      config,
      `[databases]
* = host=${target.hostname} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${join(folder, 'users.txt')}
pool_mode = transaction
default_pool_size = 3
max_client_conn = 100
ignore_startup_parameters = extra_float_digits
`,
    );
    await writeFile(join(folder, 'users.txt'), '"mobvibe_app" "mobvibe_app"\n');
    // It refuses to run as root.
    const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    pooler = spawn(pgbouncer ?? '', [config], { stdio: 'ignore', ...user });
    await vi.waitFor(() => reachable(port), { timeout: 10_000 });
    url = Object.assign(new URL(db.url), { port: String(port), hostname: '127.0.0.1' }).href;
  });
  afterAll(async () => {
    pooler?.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
    await db?.drop();
  });

  test('40 users over 20 connections see only their own', async () => {
    const app = createAppClient({ url, poolSize: 20 });
    const patience = { maxWait: 20_000, timeout: 20_000 };
    try {
      const users: string[] = [];
      for (let n = 0; n < 40; n++) users.push(await db.createUser());
      const seen = await Promise.all(
        users.map(async (sub) => {
          const mine = app.asUser({ sub, role: 'authenticated' });
          const made = await mine.project.create({ data: { name: sub, sessions: { create: [{}] } } });
          const rows = await Promise.all([
            mine.project.findUnique({ where: { id: made.id } }),
            mine.project.findFirst(),
            mine.$transaction(async (tx) => {
              await tx.$executeRaw`set role authenticated`;
              await tx.$executeRaw`select set_config('request.jwt.claim.sub', ${sub}, false), pg_advisory_lock_shared(7)`;
              await tx.$executeRaw`set search_path = 'nowhere'`;
              return tx.codingSession.findFirst();
            }, patience),
            mine
              .$transaction([mine.project.count(), mine.project.findFirst()], patience)
              .then(([, row]) => row),
            mine.$queryRaw`select 1 / 0`.then(
              () => null,
              () => mine.project.findFirst(),
            ),
          ]);
          return rows.every((row) => row?.userId === sub) && (await mine.project.count()) === 1;
        }),
      );
      expect(seen).toEqual(users.map(() => true));
      const { rows } = await db.sql.query(`
        select count(*)::int as connections, count(*) filter (where state <> 'idle')::int as busy,
          (select count(*)::int from pg_locks where locktype = 'advisory') as locks
        from pg_stat_activity where usename = 'mobvibe_app' and datname = current_database()`);
      expect(rows[0]).toEqual({ connections: 3, busy: 0, locks: 0 });
      for (let n = 0; n < 10; n++)
        expect(
          await app.asAnon().$queryRaw`select current_setting('search_path') as path, auth.uid() as uid`,
        ).toEqual([{ path: '"$user", public', uid: null }]);
    } finally {
      await app.$disconnect();
    }
  });
});

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });

const reachable = (port: number): Promise<void> =>
  new Promise((done, failed) => {
    const socket = createConnection(port, '127.0.0.1', () => {
      socket.destroy();
      done();
    }).on('error', failed);
  });
