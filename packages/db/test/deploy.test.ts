import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { CommandError, connect, describe as describeUrl, type Target } from '@mobvibe/cli';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { type DeployOptions, deploy } from '../src/commands/deploy.ts';
import { readMigrations } from '../src/commands/history.ts';
import { projectFolder } from '../src/commands/project.ts';
import { heard, runPrisma, type ScratchProject, scratchProject } from './support.ts';

const migrations = {
  '001_one': 'create table if not exists public.one (id int);\n',
  '002_two': 'create table if not exists public.two (id int);\n',
};

// Each test starts the Prisma CLI several times, on machines that may be busy.
vi.setConfig({ testTimeout: 90_000 });

let database: TestDatabase;
let to: Target;
beforeAll(async () => {
  database = await createTestDatabase('platform');
  to = describeUrl(database.url);
});
afterAll(() => database.drop());

function project(): ScratchProject {
  const made = scratchProject({ migrations });
  onTestFinished(made.remove);
  return made;
}

/** The two lines that a deploy ends with. */
async function refusal(on: Target, options: DeployOptions): Promise<{ error: string; fix: string }> {
  const error = await deploy(on, options).then(
    () => expect.unreachable('the deploy went through'),
    (reason) => reason,
  );
  if (!(error instanceof CommandError)) throw error;
  return { error: error.message, fix: error.fix };
}

/** A history as Prisma writes it. */
async function record(name: string, columns: Record<string, unknown> = {}): Promise<void> {
  const sql = migrations[name as keyof typeof migrations] ?? '';
  const row = {
    id: name,
    migration_name: name,
    checksum: createHash('sha256').update(sql).digest('hex'),
    finished_at: new Date(),
    ...columns,
  };
  await database.sql.query(
    `insert into public._prisma_migrations (${Object.keys(row).join(', ')})
     values (${Object.keys(row).map((_, i) => `$${i + 1}`)})`,
    Object.values(row),
  );
}

describe('the connection', () => {
  test('a wrong password', async () => {
    const wrong = describeUrl(database.url.replace('postgres:postgres@', 'postgres:wrong@'));
    expect(await refusal(wrong, {})).toEqual({
      error: expect.stringMatching(/^the server at .* refuses user postgres with this password$/),
      fix: expect.stringContaining('DATABASE_URL'),
    });
  });

  test('a host where nothing listens', async () => {
    const nowhere = describeUrl('postgresql://postgres:postgres@127.0.0.1:1/postgres');
    expect(await refusal(nowhere, {})).toMatchObject({ error: 'nothing listens at 127.0.0.1:1' });
  });

  test('a database that does not exist', async () => {
    const missing = describeUrl(Object.assign(new URL(database.url), { pathname: 'missing' }).href);
    expect(await refusal(missing, {})).toMatchObject({
      error: expect.stringMatching(/^there is no database missing/),
    });
  });

  test('a transaction pooler', async () => {
    const pooler = describeUrl(
      'postgresql://postgres.abc:x@aws-0-eu-west-1.pooler.supabase.com:6543/postgres',
    );
    expect(await refusal(pooler, {})).toEqual({
      error: expect.stringContaining('is a transaction pooler'),
      fix: expect.stringContaining('DIRECT_URL'),
    });
  });
});

describe('the platform', () => {
  test('a database without Supabase', async () => {
    // A database of its own lacks the schemas; the roles belong to the whole server.
    const name = `plain_${process.pid}`;
    const admin = await connect(describeUrl(inject('server').adminUrl));
    await admin.query(`create database ${name} template template0 owner postgres`);
    await admin.end();
    const plain = describeUrl(Object.assign(new URL(database.url), { pathname: name }).href);
    const result = await refusal(plain, {});
    await database.sql.query(`drop database ${name}`);
    expect(result).toEqual({
      error: `${plain.description} is not a Supabase database: it has no table auth.users`,
      fix: 'use the connection string of a Supabase project, or pnpm local start',
    });
  });

  test('a role that may not migrate', async () => {
    const login = `weak_${process.pid}`;
    await database.sql.query(`create role ${login} login password 'weak'`);
    const weak = describeUrl(database.url.replace('postgres:postgres@', `${login}:weak@`));
    const result = await refusal(weak, {});
    await database.sql.query(`drop role ${login}`);
    expect(result.error).toBe(
      `role ${login} may not create schemas, may not create tables in schema public, may not reference auth.users, may not put a trigger on auth.users`,
    );
  });
});

describe('the history', () => {
  beforeEach(async () => {
    await database.sql.query(`
      drop table if exists public._prisma_migrations;
      create table public._prisma_migrations (
        id varchar(36) primary key, checksum varchar(64) not null, finished_at timestamptz,
        migration_name varchar(255) not null, logs text, rolled_back_at timestamptz,
        started_at timestamptz not null default now(), applied_steps_count integer not null default 0
      )`);
  });

  test('complete: nothing to do, and Prisma is not started for that', async () => {
    const { text } = heard();
    await record('001_one');
    await record('002_two');
    const before = performance.now();
    expect(await deploy(to, { project: project().folder })).toEqual({ applied: [], before: 2 });
    expect(performance.now() - before).toBeLessThan(700);
    expect(text()).toContain('nothing to do: 2 migrations applied before');
  });

  test('a migration that failed', async () => {
    await record('001_one');
    const logs = 'external connector error\nERROR: relation "x" does not exist\n   0: sql_schema_connector';
    await record('002_two', { finished_at: null, logs });
    expect(await refusal(to, { project: project().folder })).toEqual({
      error: `migration 002_two failed on ${to.description}: ERROR: relation "x" does not exist`,
      fix: expect.stringContaining('prisma migrate resolve --rolled-back 002_two'),
    });
  });

  test('a migration that was edited after it was applied', async () => {
    await record('001_one', { checksum: 'another' });
    expect(await refusal(to, { project: project().folder })).toEqual({
      error: `edited after it was applied to ${to.description}: 001_one`,
      fix: expect.stringContaining('git restore packages/db/prisma/migrations/001_one/migration.sql'),
    });
  });

  test('a migration that this checkout does not have', async () => {
    await record('003_three');
    expect(await refusal(to, { project: project().folder })).toEqual({
      error: `${to.description} has migrations that this checkout does not have: 003_three`,
      fix: expect.stringContaining('git pull'),
    });
  });

  test('line endings that git changed are no edit', async () => {
    await record('001_one');
    await record('002_two');
    const windows = project();
    for (const [name, sql] of Object.entries(migrations))
      windows.writeMigration(name, sql.replaceAll('\n', '\r\n'));
    expect(await deploy(to, { project: windows.folder })).toMatchObject({ applied: [] });
  });

  test('a lock that somebody holds too long', async () => {
    const other = await connect(to, { application_name: 'the other one' });
    const { rows } = await other.query('select pg_backend_pid() as pid, pg_advisory_lock(72707369)');
    const result = await refusal(to, { project: project().folder, wait: 1 });
    await other.end();
    expect(result).toEqual({
      error: `another migration is still running after 1 s (the other one, pid ${rows[0].pid})`,
      fix: `let it end, or end it: select pg_terminate_backend(${rows[0].pid}); then deploy again`,
    });
  });
});

describe('a script that fails', () => {
  test('is named with what the database said, and nothing of it stays', async () => {
    const scratch = await createTestDatabase('platform');
    const broken = project();
    broken.writeMigration('002_two', 'create table public.half (id int);\ninsert into nowhere values (1);\n');
    const on = describeUrl(scratch.url);
    expect(await refusal(on, { project: broken.folder })).toEqual({
      error: `migration 002_two failed on ${on.description}: ERROR: relation "nowhere" does not exist`,
      fix: expect.stringContaining('resolve --rolled-back 002_two'),
    });
    const { rows } = await scratch.sql.query(
      "select to_regclass('public.one') as one, to_regclass('public.half') as half",
    );
    expect(rows).toEqual([{ one: 'one', half: null }]);

    await runPrisma(broken, scratch.url, ['migrate', 'resolve', '--rolled-back', '002_two']);
    broken.writeMigration('002_two', migrations['002_two']);
    expect(await deploy(on, { project: broken.folder })).toEqual({ applied: ['002_two'], before: 1 });
    await scratch.drop();
  });
});

test('tables without a history', async () => {
  const scratch = await createTestDatabase('platform');
  await scratch.sql.query('create table public.theirs (id int)');
  const on = describeUrl(scratch.url);
  const result = await refusal(on, { project: project().folder });
  await scratch.drop();
  expect(result).toEqual({
    error: `${on.description} has tables, but no history of migrations: public.theirs`,
    fix: expect.stringContaining('use a new Supabase project'),
  });
});

describe("this repository's migrations on a fresh Supabase database", () => {
  test('deploy says what it applied, leaves the history closed, and the schema agrees', async () => {
    const scratch = await createTestDatabase('platform');
    const printed = execFileSync(
      process.execPath,
      ['--import', 'tsx', 'src/commands/cli.ts', 'deploy', '--json'],
      {
        cwd: projectFolder,
        env: { ...process.env, DATABASE_URL: scratch.url, DIRECT_URL: '' },
        encoding: 'utf8',
      },
    );
    const names = readMigrations(`${projectFolder}/prisma/migrations`).map(({ name }) => name);
    expect(JSON.parse(printed)).toMatchObject({ applied: names, before: 0 });

    const { rows } = await scratch.sql.query(
      `select relrowsecurity as closed, array(
         select grantee::regrole::text from aclexplode(relacl) where grantee <> relowner
       ) as granted
       from pg_class where oid = 'public._prisma_migrations'::regclass`,
    );
    expect(rows).toEqual([{ closed: true, granted: [] }]);

    const real = { folder: projectFolder };
    const schema = ['schema', 'prisma/schema', 'config-datasource'] as const;
    const diff = (from: string[], to_: string[]) =>
      runPrisma(real, scratch.url, ['migrate', 'diff', '--exit-code', ...from, ...to_]);
    const both = await Promise.all([
      diff([`--from-${schema[0]}`, schema[1]], [`--to-${schema[2]}`]),
      diff([`--from-${schema[2]}`], [`--to-${schema[0]}`, schema[1]]),
    ]);
    for (const { output, exitCode } of both) {
      expect(output).toContain('No difference detected.');
      expect(exitCode).toBe(0);
    }
    await scratch.drop();
  });
});
