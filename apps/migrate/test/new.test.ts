import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, describe as describeUrl } from '@mobvibe/cli';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { heard, type ScratchProject, scratchProject } from '../../../packages/db/test/support.ts';
import { dumpCatalog } from '../../../test/harness/catalog.ts';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { type AuthorOptions, author } from '../src/new/author.ts';

// Each test starts the Prisma CLI several times, on machines that may be busy.
vi.setConfig({ testTimeout: 90_000 });

const before = `
model Owner {
  id    String @id @db.Uuid
  email String @unique
  note  String?
  age   String @default("old")
  state State  @default(open)
  pets  Pet[]

  @@map("owners")
}

model Pet {
  id      Int    @id @default(autoincrement())
  ownerId String @map("owner_id") @db.Uuid
  name    String @db.VarChar(20)
  owner   Owner  @relation(fields: [ownerId], references: [id], onDelete: Cascade)

  @@index([ownerId])
  @@map("pets")
}

model Gone {
  id Int @id

  @@map("gone")
}

enum State {
  open
  stuck
  closed

  @@map("state")
}
`;

// Everything that an author does: each line differs from the schema above in one way.
const after = `
model Owner {
  id     String   @id @default(dbgenerated("gen_random_uuid()")) @db.Uuid
  email  String
  note   String   @default("it's; a \\"note\\"")
  age    Int      @default(7)
  state  State    @default(open)
  kinds  Kind[]
  order  BigInt?
  madeAt DateTime @default(now()) @map("made_at") @db.Timestamptz(6)
  pets   Pet[]
  toys   Toy[]

  @@index([email, madeAt(sort: Desc)])
  @@map("owners")
}

model Pet {
  id      Int    @default(autoincrement())
  ownerId String @map("owner_id") @db.Uuid
  name    String @db.VarChar(40)
  owner   Owner  @relation(fields: [ownerId], references: [id], onDelete: Restrict)

  @@id([id, ownerId])
  @@index([ownerId], map: "pets_of_owner")
  @@map("pets")
}

model Toy {
  id      Int    @id
  ownerId String @map("owner_id") @db.Uuid
  kind    Kind   @default(round)
  owner   Owner  @relation(fields: [ownerId], references: [id], onDelete: Cascade)

  @@unique([ownerId, kind])
  @@map("toys")
}

enum State {
  open
  closed

  @@map("state")
}

enum Kind {
  round
  square

  @@map("kind")
}
`;

let database: TestDatabase;
let project: ScratchProject;
beforeAll(async () => {
  database = await createTestDatabase('platform');
  project = scratchProject({ models: before });
});
afterAll(async () => {
  project.remove();
  await database.drop();
});

const write = (name: string, options: Partial<AuthorOptions> = {}) =>
  author({
    name,
    to: describeUrl(database.url),
    project: project.folder,
    applyLayer: async () => {},
    ...options,
  });
const read = (migration: string, file: string) =>
  readFileSync(join(project.folder, 'prisma/migrations', migration, file), 'utf8');
// What comes back comes back at the end: no statement can put a column or a value where it was.
const catalog = async () =>
  (await dumpCatalog(database.sql))
    .map((line) =>
      line.replace(/ #\d+ /, ' ').replace(/(?<=labels )\S+/, (labels) => labels.split(',').sort().join()),
    )
    .sort();

test('the first migration: tables are made closed, and stay as they are when it runs again', async () => {
  heard();
  expect(await write('base')).toMatchObject({ name: '001_base' });
  const { rows } = await database.sql.query(
    `select relname, relrowsecurity, array(
       select grantee::regrole::text from aclexplode(relacl) where grantee <> relowner
     ) as granted
     from pg_class where relnamespace = 'public'::regnamespace and relname in ('owners', 'pets', 'gone')
     order by relname`,
  );
  expect(rows).toEqual(
    ['gone', 'owners', 'pets'].map((relname) => ({ relname, relrowsecurity: true, granted: [] })),
  );

  // What the SQL layer grants later survives the file.
  await database.sql.query('grant select on public.owners to authenticated');
  const granted = await catalog();
  await database.sql.query(read('001_base', 'migration.sql'));
  expect(await catalog()).toEqual(granted);
});

test('nothing changed: nothing is written', async () => {
  heard();
  expect(await write('idle')).toBeUndefined();
  expect(readdirSync(join(project.folder, 'prisma/migrations')).sort()).toEqual([
    '001_base',
    'migration_lock.toml',
  ]);
});

test('a dry run shows the SQL and changes nothing', async () => {
  heard();
  project.writeSchema(after);
  const shown = await write('change', { dryRun: true });
  expect(shown).toMatchObject({
    name: '002_change',
    migration: expect.stringContaining('create table public.toys'),
  });
  expect(existsSync(join(project.folder, 'prisma/migrations/002_change'))).toBe(false);
});

test('every kind of change runs twice, and back, and forth', async () => {
  const { text } = heard();
  await database.sql.query(
    "insert into public.owners (id, email) values (gen_random_uuid(), 'a'), (gen_random_uuid(), 'b')",
  );
  await database.sql.query("update public.owners set note = 'kept'");
  const start = await catalog();

  expect(await write('change')).toMatchObject({ name: '002_change' });
  expect(text()).not.toContain('check by hand');
  const [up, down] = [read('002_change', 'migration.sql'), read('002_change', 'down.sql')];
  const end = await catalog();
  expect(end).not.toEqual(start);

  await database.sql.query('update public.owners set age = 42');
  await database.sql.query(up);
  expect(await catalog()).toEqual(end);
  const { rows } = await database.sql.query('select distinct age, note from public.owners');
  expect(rows).toEqual([{ age: 42, note: 'kept' }]);

  for (const _ of ['once', 'twice']) await database.sql.query(down);
  expect(await catalog()).toEqual(start);
  await database.sql.query(up);
  expect(await catalog()).toEqual(end);

  // What a later migration adds, running this one again must not take away.
  await database.sql.query("alter type public.state add value 'later'");
  const later = await catalog();
  await database.sql.query(up);
  expect(await catalog()).toEqual(later);
});

test.each(['AddTags', 'add tags', '1st', 'tags_', ''])('%j is no name for a migration', async (name) => {
  await expect(write(name)).rejects.toThrow(CommandError);
});

test('a schema that Prisma cannot read is named with its place', async () => {
  heard();
  project.writeSchema('model Broken {\n  id Nope @id\n}');
  onTestFinished(() => project.writeSchema(after));
  const error = await write('broken').catch((reason) => reason);
  expect(error).toBeInstanceOf(CommandError);
  expect(error.message).toMatch(/Type "Nope" is neither.*schema\.prisma:6/);
});

test('a migration that fails stays, and the next deploy takes it up', async () => {
  heard();
  project.writeSchema(after.replace('order  BigInt?', 'order  BigInt?\n  must   String'));
  const error = await write('must').catch((reason) => reason);
  expect(error).toBeInstanceOf(CommandError);
  expect(error.message).toContain('column "must" of relation "owners" contains null values');
  expect(error.fix).toBe(
    'edit packages/db/prisma/migrations/003_must/migration.sql, then pnpm turbo migrate',
  );
  const { rows } = await database.sql.query(
    "select rolled_back_at is not null as taken_back from public._prisma_migrations where migration_name = '003_must'",
  );
  expect(rows).toEqual([{ taken_back: true }]);
});
