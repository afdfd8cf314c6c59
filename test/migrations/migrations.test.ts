import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe as describeUrl } from '@mobvibe/cli';
import { prisma } from '@mobvibe/db/commands';
import { migrationsDirectory } from '@mobvibe/db/migrations';
import { applyLayer } from '@mobvibe/rls-sql';
import { afterEach, describe, expect, test } from 'vitest';
import { rollback } from '../../apps/migrate/src/rollback/rollback.ts';
import { dumpCatalog } from '../harness/catalog.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const names = readdirSync(migrationsDirectory, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort();
const read = (name: string, file: string) => readFileSync(join(migrationsDirectory, name, file), 'utf8');
// Months come and go with the calendar; everything else must be the same.
const withoutMonths = (dump: string[]) => dump.filter((line) => !/session_events_\d{4}_\d{2}/.test(line));

let db: TestDatabase;
afterEach(() => db?.drop());

test('every migration is numbered, and has a down.sql', () => {
  names.forEach((name, index) => {
    expect(name).toMatch(new RegExp(`^${String(index + 1).padStart(3, '0')}_[a-z0-9_]+$`));
    expect(read(name, 'down.sql')).not.toBe('');
  });
  expect(names.length).toBeGreaterThanOrEqual(7);
});

describe('a second run of every migration.sql', () => {
  test('changes and says nothing on a database without the SQL layer', async () => {
    db = await createTestDatabase('platform');
    for (const name of names) await db.sql.query(read(name, 'migration.sql'));
    const once = await dumpCatalog(db.sql);
    const said: string[] = [];
    db.sql.on('notice', (notice) => said.push(String(notice.message)));
    for (const name of names) await db.sql.query(read(name, 'migration.sql'));
    expect(await dumpCatalog(db.sql)).toEqual(once);
    expect(said).toEqual([]);
  });

  test('takes back nothing that the SQL layer granted', async () => {
    db = await createTestDatabase();
    const before = await dumpCatalog(db.sql);
    for (const name of names) await db.sql.query(read(name, 'migration.sql'));
    expect(await dumpCatalog(db.sql)).toEqual(before);
  });
});

test('every table is closed the moment its migration has run', async () => {
  db = await createTestDatabase('platform');
  for (const name of names) {
    await db.sql.query(read(name, 'migration.sql'));
    const { rows } = await db.sql.query(`
      select c.oid::regclass::text as table, c.relrowsecurity as rls, r.role, p.privilege
      from pg_class as c
      cross join unnest(array['anon', 'authenticated', 'service_role']) as r (role)
      cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger', 'maintain'])
        as p (privilege)
      where c.relnamespace::regnamespace::text in ('public', 'private', 'partitions') and c.relkind in ('r', 'p')
        and (not c.relrowsecurity or has_table_privilege(r.role, c.oid, p.privilege))`);
    expect(rows, name).toEqual([]);
  }
});

test('the migrations make exactly what the Prisma schema says', async () => {
  db = await createTestDatabase();
  const args = ['migrate', 'diff', '--from-config-datasource', '--to-schema', 'prisma/schema', '--exit-code'];
  const { exitCode, stdout } = await prisma(args, describeUrl(db.url));
  expect(stdout).toContain('No difference detected');
  expect(exitCode).toBe(0);
});

test('all down.sql newest first leave nothing of ours, and up again gives the same schema', async () => {
  db = await createTestDatabase('platform');
  const platform = await dumpCatalog(db.sql);
  for (const name of names) await db.sql.query(read(name, 'migration.sql'));
  const up = await dumpCatalog(db.sql);
  expect(up).not.toEqual(platform);
  for (const name of names.toReversed()) await db.sql.query(read(name, 'down.sql'));
  expect(await dumpCatalog(db.sql)).toEqual(platform);
  for (const name of names) await db.sql.query(read(name, 'migration.sql'));
  expect(await dumpCatalog(db.sql)).toEqual(up);
});

test('every down.sql runs twice without an error', async () => {
  db = await createTestDatabase('platform');
  for (const name of names) await db.sql.query(read(name, 'migration.sql'));
  for (const name of names.toReversed()) {
    await db.sql.query(read(name, 'down.sql'));
    await db.sql.query(read(name, 'down.sql'));
  }
});

test('down.sql also works where the SQL layer is in force', async () => {
  db = await createTestDatabase();
  for (const name of names.toReversed()) await db.sql.query(read(name, 'down.sql'));
  const { rows } = await db.sql.query(
    "select nspname from pg_namespace where nspname in ('private', 'partitions')",
  );
  expect(rows).toEqual([]);
});

describe('rollback', () => {
  test.each(names.map((_, index) => String(index).padStart(3, '0')))(
    'to %s and up again gives the same schema',
    async (to) => {
      db = await createTestDatabase();
      const before = await dumpCatalog(db.sql);
      await rollback(db.sql, { to, directory: migrationsDirectory });
      expect(await dumpCatalog(db.sql)).not.toEqual(before);
      // The history of migrations belongs to Prisma, whose next deploy would make it again.
      if (to === '000') await db.sql.query('create table public._prisma_migrations ()');
      for (const name of names.slice(Number(to))) await db.sql.query(read(name, 'migration.sql'));
      await applyLayer(db.sql);
      const history = (line: string) => !line.includes('_prisma_migrations');
      expect(withoutMonths(await dumpCatalog(db.sql)).filter(history)).toEqual(
        withoutMonths(before).filter(history),
      );
    },
  );

  test('to 000 leaves nothing of ours but the login roles, which other databases use', async () => {
    db = await createTestDatabase('platform');
    const roles = (line: string) => !/^(role|member) .*mobvibe_/.test(line);
    const platform = (await dumpCatalog(db.sql)).filter(roles);
    await db.drop();

    db = await createTestDatabase();
    await rollback(db.sql, { to: '000', directory: migrationsDirectory });
    expect((await dumpCatalog(db.sql)).filter(roles)).toEqual(platform);
  });

  test('refuses to lose rows, changes nothing then, and loses them with force', async () => {
    db = await createTestDatabase();
    await db.createUser();
    const before = await dumpCatalog(db.sql);
    await expect(rollback(db.sql, { to: '000', directory: migrationsDirectory })).rejects.toMatchObject({
      message: 'this would lose public.profiles (1 row)',
      fix: expect.stringContaining('--force'),
    });
    expect(await dumpCatalog(db.sql)).toEqual(before);
    const result = await rollback(db.sql, { to: '000', directory: migrationsDirectory, force: true });
    expect(result.lost).toEqual(['public.profiles (1 row)']);
  });

  test('refuses to take a view along that is not ours', async () => {
    db = await createTestDatabase();
    await db.sql.query('create schema theirs; create view theirs.names as select name from public.projects');
    await expect(rollback(db.sql, { to: '001', directory: migrationsDirectory })).rejects.toMatchObject({
      message: 'this would lose view theirs.names, which is not ours',
    });
  });

  test('a dry run says what would go and changes nothing', async () => {
    db = await createTestDatabase();
    const before = await dumpCatalog(db.sql);
    const result = await rollback(db.sql, { to: '005', directory: migrationsDirectory, dryRun: true });
    expect(result.rolledBack).toEqual(names.filter((name) => name > '006').reverse());
    expect(await dumpCatalog(db.sql)).toEqual(before);
  });

  test('names what it knows when the target is unknown', async () => {
    db = await createTestDatabase();
    await expect(rollback(db.sql, { to: '042', directory: migrationsDirectory })).rejects.toMatchObject({
      message: 'no applied migration is called 042',
      fix: expect.stringContaining('001_profiles'),
    });
  });
});
