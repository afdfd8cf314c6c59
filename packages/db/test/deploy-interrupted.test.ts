import { describe as describeUrl, type Target } from '@mobvibe/cli';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { deploy } from '../src/commands/deploy.ts';
import { projectFolder } from '../src/commands/project.ts';
import { heard, type ScratchProject, scratchProject, untilRow } from './support.ts';

// Takes a minute, or until a schema `hurry` exists.
const slow = `do $$
begin
  for i in 1..600 loop
    exit when exists (select from pg_catalog.pg_namespace where nspname = 'hurry');
    perform pg_sleep(0.1);
  end loop;
end $$;
create table if not exists public.two (id int);
`;
const migrations = {
  '001_one': 'create table if not exists public.one (id int);\n',
  '002_two': slow,
  '003_three': 'create table if not exists public.three (id int);\n',
};
const names = Object.keys(migrations);
const busy = `select from pg_stat_activity
  where datname = current_database() and state = 'active' and query like '%nspname = ''hurry''%' and pid <> pg_backend_pid()`;
const idle = `select where not exists (
  select from pg_stat_activity where datname = current_database() and application_name = 'prisma-schema-engine'
)`;

// Each test starts the Prisma CLI several times, on machines that may be busy.
vi.setConfig({ testTimeout: 90_000 });

let database: TestDatabase;
let to: Target;
let project: ScratchProject;
beforeEach(async () => {
  database = await createTestDatabase('platform');
  to = describeUrl(database.url);
  project = scratchProject({ migrations });
});
afterEach(async () => {
  project.remove();
  await database.drop();
});

/** A deploy in a process group of its own. */
function launch() {
  return execa(process.execPath, ['--import', 'tsx', 'test/fixtures/deploy.ts', project.folder], {
    cwd: projectFolder,
    env: { DATABASE_URL: database.url, DIRECT_URL: '' },
    detached: true,
    reject: false,
    stdin: 'ignore',
  });
}

const kill = (child: { pid?: number | undefined }) => process.kill(-(child.pid as number), 'SIGKILL');
const hurry = () => database.sql.query('create schema hurry');

async function expectComplete(): Promise<void> {
  const { rows } = await database.sql.query(
    `select migration_name as name from public._prisma_migrations
     where finished_at is not null and rolled_back_at is null order by name`,
  );
  expect(rows.map(({ name }) => name)).toEqual(names);
}

test('a deploy that was killed in the middle of a migration is taken up again', async () => {
  const child = launch();
  await untilRow(database.sql, busy);
  kill(child);
  await child;
  await hurry();

  // The server still works for the killed one, and holds its lock, until it notices.
  const { text } = heard();
  expect(await deploy(to, { project: project.folder })).toEqual({
    applied: ['002_two', '003_three'],
    before: 1,
  });
  expect(text()).toContain('002_two was interrupted before; it is applied again');
  await expectComplete();
});

test('killed at any moment, again and again, the next deploy completes', async () => {
  await hurry();
  for (const moment of [
    // Before Prisma is there; while it looks at the history; at the first trace of a migration.
    "select from pg_stat_activity where datname = current_database() and application_name = 'mobvibe deploy'",
    "select from pg_stat_activity where datname = current_database() and application_name = 'prisma-schema-engine'",
    "select where to_regclass('public._prisma_migrations') is not null",
  ]) {
    const child = launch();
    await untilRow(database.sql, moment);
    kill(child);
    await child;
  }
  heard();
  await deploy(to, { project: project.folder });
  await expectComplete();
});

test('a deploy that is told to stop takes back the migration under way and leaves nothing running', async () => {
  const child = launch();
  await untilRow(database.sql, busy);
  child.kill('SIGTERM');
  const { exitCode, stderr } = await child;
  expect(exitCode).toBe(143);
  expect(stderr).toContain('error: interrupted');
  await untilRow(database.sql, idle, 2);
  const { rows } = await database.sql.query("select to_regclass('public.two') as two");
  expect(rows).toEqual([{ two: null }]);

  await hurry();
  heard();
  expect(await deploy(to, { project: project.folder })).toMatchObject({ applied: ['002_two', '003_three'] });
});

test('of two deploys at the same time one waits, and both succeed', async () => {
  const { text } = heard();
  const first = deploy(to, { project: project.folder });
  await untilRow(database.sql, busy);
  const second = deploy(to, { project: project.folder });
  await expect.poll(text).toContain('another migration is running on this database; waiting up to 60 s');
  await hurry();
  const results = await Promise.all([first, second]);
  expect(results.flatMap(({ applied }) => applied)).toEqual(names);
  await expectComplete();
});
