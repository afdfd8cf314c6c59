import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrationsDirectory } from '@mobvibe/db/migrations';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readDataModel, type Table } from '../../tools/docs/data-model.ts';
import { readMigrations, schemaOf, withMigrated } from '../../tools/docs/migrations.ts';
import { shardKeyTable, userKeys } from '../../tools/docs/shard-key.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let db: TestDatabase;
let tables: Table[];
beforeAll(async () => {
  db = await createTestDatabase();
  const schema = await schemaOf(readMigrations(migrationsDirectory));
  tables = withMigrated(readDataModel(join(migrationsDirectory, '..', 'schema')), schema);
});
afterAll(() => db?.drop());

const line = ({ table, kind, columns }: { table: string; kind: string; columns: string[] }) =>
  `${table}: ${kind} (${columns.join(', ')})`;
const inDatabase = async (): Promise<string[]> => {
  const query = readFileSync(new URL('./keys.sql', import.meta.url), 'utf8');
  return (await db.sql.query(query)).rows.map(line).sort();
};

test('docs/SCALING.md lists every unique and foreign key that the database has on users’ rows', async () => {
  expect(userKeys(tables).map(line).sort()).toEqual(await inDatabase());
});

test('between two of users’ tables, every foreign key carries the user', () => {
  const foreign = userKeys(tables).filter(({ kind }) => kind === 'foreign key');
  expect(foreign.length).toBeGreaterThan(3);
  expect(foreign.filter(({ carriesUser }) => !carriesUser)).toEqual([]);
});

test('a key without the user is an error until somebody says what follows', async () => {
  const added = tables.map((table) =>
    table.name === 'public.projects'
      ? {
          ...table,
          indexes: [
            ...table.indexes,
            { name: 'projects_name_key', kind: 'unique' as const, columns: ['name'] },
          ],
        }
      : table,
  );
  expect(() => shardKeyTable(added)).toThrow('(name) of public.projects does not carry user_id');
  await db.sql.query('create unique index projects_name_key on public.projects (name)');
  expect(userKeys(added).map(line).sort()).toEqual(await inDatabase());
});
