import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, describe as describeUrl } from '@mobvibe/cli';
import { type Server, startServer } from '@mobvibe/local';
import { execa } from 'execa';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { prisma } from '../src/commands/prisma.ts';
import { engine, runPrisma, type ScratchProject, scratchProject } from './support.ts';

const things = `generator client {
  provider        = "prisma-client"
  output          = "../../generated"
  previewFeatures = ["partialIndexes"]
}

model Thing {
  id   String   @id @default(dbgenerated("gen_random_uuid()")) @db.Uuid
  name String   @db.VarChar(20)
  kind Kind     @default(small)
  at   DateTime @default(now())

  @@index([name], where: raw("(kind = 'small'::\\"Kind\\")"))
}

enum Kind {
  small
  big
}`;
const thingsWithColor = things.replace('  at ', '  color String?\n  at ');

// Each test starts the Prisma CLI several times, on machines that may be busy.
vi.setConfig({ testTimeout: 90_000 });

let server: Server;
let client: pg.Client;
let project: ScratchProject;
const at = (database: string) => Object.assign(new URL(server.url), { pathname: database }).href;

// A server of its own: these tests create and drop databases, for which nobody may be using a template.
beforeAll(async () => {
  server = await startServer({ durable: false });
  client = await connect(describeUrl(server.url));
  project = scratchProject({ models: things });
});
afterAll(async () => {
  project.remove();
  await client.end();
  await server.stop();
});

const shadows = async () =>
  (await client.query("select datname from pg_database where datname like 'prisma_migrate_shadow_db%'")).rows;
const migrationNames = () =>
  readdirSync(join(project.folder, 'prisma/migrations')).filter((name) => !name.endsWith('.toml'));

describe('the stock CLI on a project of its own', () => {
  test('migrate dev creates the database, writes the migration and applies it', async () => {
    const { exitCode, output } = await runPrisma(project, at('scratch'), [
      'migrate',
      'dev',
      '--name',
      'init',
    ]);
    expect(output).toContain('PostgreSQL database scratch created at 127.0.0.1');
    expect(output).toContain('Your database is now in sync with your schema.');
    expect(exitCode).toBe(0);
    expect(migrationNames()).toHaveLength(1);
  });

  test('migrate dev adds the next one', async () => {
    project.writeSchema(thingsWithColor);
    const { exitCode } = await runPrisma(project, at('scratch'), ['migrate', 'dev', '--name', 'color']);
    expect(exitCode).toBe(0);
    const sql = readFileSync(
      join(project.folder, 'prisma/migrations', migrationNames()[1] ?? '', 'migration.sql'),
    );
    expect(sql.toString().trim()).toBe('-- AlterTable\nALTER TABLE "Thing" ADD COLUMN     "color" TEXT;');
  });

  test('migrate status and migrate diff', async () => {
    const diff = (url: string, ...args: string[]) => runPrisma(project, url, ['migrate', 'diff', ...args]);
    const [status, same, other, offline] = await Promise.all([
      runPrisma(project, at('scratch'), ['migrate', 'status']),
      diff(at('scratch'), '--from-migrations', 'prisma/migrations', '--to-config-datasource', '--exit-code'),
      diff(at('scratch'), '--from-empty', '--to-config-datasource', '--script', '--exit-code'),
      diff(
        'postgresql://nobody@127.0.0.1:1/none',
        '--from-empty',
        '--to-schema',
        'prisma/schema',
        '--script',
      ),
    ]);
    const printing = (exitCode: number, text: string) => ({
      exitCode,
      output: expect.stringContaining(text),
    });
    expect(status).toMatchObject(printing(0, 'Database schema is up to date!'));
    expect(same).toMatchObject(printing(0, 'No difference detected.'));
    expect(other).toMatchObject(printing(2, 'CREATE TABLE "public"."Thing"'));
    // Two schemas are compared without a database.
    expect(offline).toMatchObject(printing(0, 'CREATE TABLE "Thing"'));
  });

  test('migrate deploy reports a script that fails with its line, and resolve takes it back', async () => {
    // The function holds semicolons: a script goes to the server whole.
    project.writeMigration(
      '99990101000000_bad',
      'create function f() returns int language plpgsql as $$ begin perform 1; return 2; end; $$;\n\ninsert into nowhere values (1);\n',
    );
    const deployed = await runPrisma(project, at('scratch'), ['migrate', 'deploy']);
    expect(deployed.exitCode).toBe(1);
    expect(deployed.output).toContain('P3018');
    expect(deployed.output).toContain('Migration name: 99990101000000_bad');
    expect(deployed.output).toContain('Database error code: 42P01');
    expect(deployed.output).toContain('ERROR: relation "nowhere" does not exist');
    expect(deployed.output).toContain('3 insert into nowhere values (1);');

    const scratch = await connect(describeUrl(at('scratch')));
    const { rows } = await scratch.query(
      "select to_regproc('public.f') as f, max(logs) as logs from _prisma_migrations",
    );
    await scratch.end();
    expect(rows[0].f).toBeNull();
    expect(rows[0].logs).toContain('ERROR: relation "nowhere" does not exist');

    const resolved = await runPrisma(project, at('scratch'), [
      ...['migrate', 'resolve', '--rolled-back', '99990101000000_bad'],
    ]);
    expect(resolved.exitCode).toBe(0);
    project.writeMigration('99990101000000_bad', 'select 1;\n');
    expect((await runPrisma(project, at('scratch'), ['migrate', 'deploy'])).exitCode).toBe(0);
  });

  test('db execute, db pull and db push', async () => {
    const execute = (sql: string) =>
      runPrisma(project, at('scratch'), ['db', 'execute', '--stdin'], { input: sql });
    const printing = (exitCode: number, text: string) => ({
      exitCode,
      output: expect.stringContaining(text),
    });
    const [failed, pushed] = await Promise.all([
      execute('select nope'),
      runPrisma(project, at('pushed'), ['db', 'push']),
      execute(`create table extra (id int primary key, c "char" check (c <> 'x'))`),
    ]);
    expect(failed).toMatchObject(printing(1, 'column "nope" does not exist'));
    expect(pushed).toMatchObject(printing(0, 'now in sync'));
    const pulled = await runPrisma(project, at('scratch'), ['db', 'pull', '--print']);
    expect(pulled).toMatchObject(printing(0, 'model extra {'));
  });

  test('migrate reset keeps the grants on its schemas', async ({ skip }) => {
    const url = at('granted');
    await client.query('create database granted');
    const granted = await connect(describeUrl(url));
    await granted.query(`grant usage on schema public to anon;
      alter default privileges in schema public grant select on tables to authenticated`);
    const grants = async () => {
      const { rows } = await granted.query(
        `select nspowner, nspacl::text, array(select defaclacl::text from pg_default_acl where defaclnamespace = n.oid)
         from pg_namespace n where nspname = 'public'`,
      );
      return rows;
    };
    const before = await grants();
    const { exitCode, output } = await runPrisma(project, url, ['migrate', 'reset', '--force']);
    // Prisma refuses this command to coding agents, and a test is no reason to get around that.
    if (output.includes('AI agent')) {
      await granted.end();
      skip();
    }
    expect(output).toContain('Database reset successful');
    expect(exitCode).toBe(0);
    expect(await grants()).toEqual(before);
    await granted.end();
  });

  test('no shadow database is left', async () => {
    expect(await shadows()).toEqual([]);
  });
});

describe('error codes', () => {
  test.each([
    ['P1000', () => server.url.replace('postgres:postgres@', 'postgres:wrong@')],
    ['P1001', () => 'postgresql://postgres:postgres@127.0.0.1:1/postgres'],
    ['P1003', () => at('missing')],
    ['P1013', () => 'mysql://127.0.0.1/x'],
  ])('%s', async (code, url) => {
    const datasource = JSON.stringify({ url: url() });
    const { exitCode, stderr } = await execa(
      engine,
      ['--datasource', datasource, 'cli', 'can-connect-to-database'],
      {
        reject: false,
      },
    );
    expect(exitCode).toBe(1);
    expect(JSON.parse(stderr.split('\n')[1] ?? '').fields.error_code).toBe(code);
  });

  test('an engine that panics says so', async () => {
    const { exitCode, output } = await runPrisma(project, at('scratch'), ['migrate', 'status'], {
      env: { FORCE_PANIC_SCHEMA_ENGINE: '1' },
    });
    expect(exitCode).toBe(1);
    expect(output).toContain('This is the debugPanic artificial panic');
  });
});

describe('the process', () => {
  const request = (method: string, params: object) =>
    `${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`;

  test('ends when stdin is closed, and takes back what it was doing', async () => {
    const child = execa(engine, ['--datasource', JSON.stringify({ url: server.url })], {
      reject: false,
      buffer: false,
    });
    const script = 'select pg_sleep(60)';
    child.stdin.write(request('dbExecute', { datasourceType: { tag: 'url', url: server.url }, script }));
    const sleeping =
      "select 1 from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'";
    await expect.poll(async () => (await client.query(sleeping)).rowCount, { timeout: 10_000 }).toBe(1);
    child.stdin.end();
    expect((await child).exitCode).toBe(0);
    expect((await client.query(sleeping)).rowCount).toBe(0);
  });

  test('drops its shadow database when it is interrupted', async () => {
    const child = execa(engine, ['--datasource', JSON.stringify({ url: server.url })], {
      reject: false,
      buffer: false,
    });
    const migrations = {
      tag: 'migrations',
      baseDir: '/',
      lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"' },
      shadowDbInitScript: 'select pg_sleep(60)',
      migrationDirectories: [],
    };
    const filters = { externalTables: [], externalEnums: [] };
    child.stdin.write(request('diff', { from: { tag: 'empty' }, to: migrations, script: true, filters }));
    await expect.poll(async () => (await shadows()).length, { timeout: 10_000 }).toBe(1);
    child.kill('SIGINT');
    expect((await child).exitCode).toBe(0);
    expect(await shadows()).toEqual([]);
  });
});

describe('the network', () => {
  const preload = new URL('./fixtures/no-network.mjs', import.meta.url).href;
  const log = () => join(project.folder, 'network.log');
  const contacted = () => (existsSync(log()) ? readFileSync(log(), 'utf8').trim().split('\n') : []);
  const watched = () => ({
    NODE_OPTIONS: `--import ${preload}`,
    NETWORK_LOG: log(),
    // A download that is broken off leaves its directory behind.
    TMPDIR: project.folder,
  });

  test('is not used by generate nor by deploy', async () => {
    mkdirSync(join(project.folder, 'node_modules'), { recursive: true });
    const env = watched();
    const runs = await Promise.all([
      runPrisma(project, at('scratch'), ['generate'], { env }),
      runPrisma(project, at('scratch'), ['migrate', 'deploy'], { env }),
    ]);
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(contacted()).toEqual([]);
  });

  test('would be, without our engine: this test can see it', async () => {
    writeFileSync(
      join(project.folder, 'stock.config.ts'),
      "export default { schema: 'prisma/schema', datasource: { url: process.env.DATABASE_URL } };\n",
    );
    // Stopped at the first attempt: it would try several times before it gives up.
    const child = prisma(['migrate', 'status', '--config', 'stock.config.ts'], describeUrl(server.url), {
      cwd: project.folder,
      env: watched(),
    });
    await expect.poll(contacted, { timeout: 20_000 }).toContain('binaries.prisma.sh');
    child.kill();
    await child;
  });
});
