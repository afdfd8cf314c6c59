import { accessOf } from '@mobvibe/rls-sql';
import { describe, expect, test } from 'vitest';
import { dataModelOf } from './data-model.ts';
import { erDiagram } from './er-diagram.ts';
import { purposeOf, schemaOf, withMigrated } from './migrations.ts';
import { accessTable, functionTable, indexTable, policyTable, tableTable } from './tables.ts';

const prisma = `
datasource db {
  provider = "postgresql"
  schemas  = ["public"]
}
model Shop {
  id    String @id @db.Uuid
  items Item[]
  @@map("shops")
  @@schema("public")
}
model Item {
  id     String                  @id @db.Uuid
  shopId String?                 @map("shop_id") @db.Uuid
  age    Unsupported("interval") @map("item_age")
  label  String                  @unique
  madeAt DateTime                @map("made_at") @db.Timestamptz(6)
  shop   Shop?                   @relation(fields: [shopId], references: [id], onDelete: Cascade)
  @@index([shopId, madeAt(sort: Desc)])
  @@map("items")
  @@schema("public")
}`;

const migration = `-- Shops and what they sell. More of it.
create index items_shop_id_made_at_idx on public.items (shop_id, made_at desc) where label <> ') where (';
create index items_lower_idx on public.items (lower(label));
comment on table public.shops is 'Where things are sold.';
comment on table public.items is 'What is sold.';
comment on index public.shops_pkey is 'Serves: one shop.';
comment on index public.items_pkey is 'Serves: one item.';
comment on index public.items_label_key is 'Serves: no two alike.';
comment on index public.items_shop_id_made_at_idx is 'Serves: a shop''s items.';
comment on index public.items_lower_idx is 'Serves: the search.';`;

const tables = dataModelOf([['schema.prisma', prisma]]);
const migrated = async (...sql: string[]) =>
  schemaOf(sql.map((text, index) => ({ name: `00${index + 1}_test`, sql: text })));

describe('indexes', () => {
  test('each with its columns, its condition and the query it serves', async () => {
    const schema = await migrated(migration);
    const written = indexTable(withMigrated(tables, schema), schema);
    expect(written.split('\n').slice(2)).toEqual([
      '| `public.shops` | `shops_pkey` | primary key | `(id)` | one shop |',
      '| `public.items` | `items_pkey` | primary key | `(id)` | one item |',
      '| `public.items` | `items_label_key` | unique | `(label)` | no two alike |',
      "| `public.items` | `items_shop_id_made_at_idx` | index | `(shop_id, made_at desc) where label <> ') where ('` | a shop's items |",
      '| `public.items` | `items_lower_idx` | index | `(lower(label))` | the search |',
    ]);
  });

  test.each([
    ['of a primary key', 'public.shops_pkey'],
    ['of the schema', 'public.items_label_key'],
    ['that Prisma cannot model', 'public.items_lower_idx'],
  ])('one %s without a comment is an error', async (_, name) => {
    const schema = await migrated(
      migration
        .split('\n')
        .filter((line) => !line.startsWith(`comment on index ${name} `))
        .join('\n'),
    );
    expect(() => indexTable(withMigrated(tables, schema), schema)).toThrow(
      expect.objectContaining({
        message: `index ${name} does not say which query it serves`,
        fix: expect.stringContaining(`comment on index ${name}`),
      }),
    );
  });

  test('one whose comment says something else is an error', async () => {
    const schema = await migrated(migration, "comment on index public.items_pkey is 'The key.';");
    expect(() => indexTable(withMigrated(tables, schema), schema)).toThrow('public.items_pkey');
  });

  test('one that a later migration drops is gone', async () => {
    const schema = await migrated(migration, 'drop index if exists public.items_lower_idx;');
    expect(indexTable(withMigrated(tables, schema), schema)).not.toContain('items_lower_idx');
  });

  test('one that a later migration renames keeps its comment', async () => {
    const schema = await migrated(
      migration,
      'alter index if exists public.items_lower_idx rename to items_search;',
    );
    expect(indexTable(withMigrated(tables, schema), schema)).toContain(
      '`items_search` | index | `(lower(label))` | the search |',
    );
  });

  test('one that is hidden in a do block is an error', async () => {
    await expect(
      migrated(migration, 'do $$ begin create index x on public.items (id); end $$;'),
    ).rejects.toThrow('create index');
  });
});

test('the diagram shows schema, types, keys, nullability and cardinality', async () => {
  const diagram = erDiagram(withMigrated(tables, await migrated(migration)));
  expect(diagram).toContain('"public.shops" |o--o{ "public.items" : "shop_id, on delete cascade"');
  expect(diagram).toContain(`  "public.items" {
    uuid id PK
    uuid shop_id FK "nullable"
    interval item_age
    text label UK
    timestamptz made_at
  }`);
});

test('a table without a comment is an error', async () => {
  const schema = await migrated(migration.replace(/^comment on table public.items.*$/m, ''));
  expect(() => tableTable(tables, schema)).toThrow('table public.items has no comment');
});

test('the purpose of a migration is its first sentence, or the list that was written with it', () => {
  expect(purposeOf({ name: '001_shops', sql: migration })).toBe('Shops and what they sell.');
  const written =
    '-- 001_shops:\n--   creates table public.shops\n--   creates index x\n-- Written by us.\n\nselect 1;';
  expect(purposeOf({ name: '001_shops', sql: written })).toBe('creates table public.shops; creates index x.');
  expect(() => purposeOf({ name: '001_shops', sql: 'select 1;' })).toThrow('001_shops');
});

describe('the SQL layer', () => {
  const files = [
    {
      path: 'items.sql',
      sql: `
-- grant all on table public.items to anon;
grant all on table public.items to anon, authenticated;
revoke all on table public.items from public, anon, authenticated;
grant select on table public.items to authenticated, service_role;
grant insert (id, label) on table public.items to authenticated;
grant update (label) on table public.items to authenticated, someone_else;
grant delete on table public.items to service_role;
revoke all on table public.shops from anon;

create policy "Users read using (their) items" on public.items
  for select to authenticated
  using (
    label = 'a)' or (owner = (select auth.uid())) -- ) not here
  );
create policy "Users write" on public.items
  for update to authenticated, anon
  using (true)
  with check (label = 'x' || 'y');

create function public.tidy(p_label text default ')') returns void language sql security definer
set search_path = '' as $$ select 1 $$;
comment on function public.tidy(text) is 'Tidies up.';
revoke all on function public.tidy(text) from public, anon;
grant execute on function public.tidy(text) to service_role;`,
    },
  ];

  test('who may do what with which table, in the order of the statements', async () => {
    const { tables: access } = await accessOf(files);
    expect(accessTable(access).split('\n')).toEqual([
      '| table | anon | authenticated | service_role | mobvibe_worker | someone_else |',
      '| --- | --- | --- | --- | --- | --- |',
      '| `public.items` | – | select<br>insert (id, label)<br>update (label) | select, delete | – | update (label) |',
      '| `public.shops` | – | – | – | – | – |',
    ]);
  });

  test('policies, as the file writes them', async () => {
    const { policies } = await accessOf(files);
    expect(policyTable(policies).split('\n').slice(2)).toEqual([
      "| `public.items` | Users read using (their) items | select | authenticated | `label = 'a)' or (owner = (select auth.uid()))` | – |",
      "| `public.items` | Users write | update | authenticated, anon | `true` | `label = 'x' \\|\\| 'y'` |",
    ]);
  });

  test('functions, with whose rights they run and who may run them', async () => {
    const { functions } = await accessOf(files);
    expect(functionTable(functions).split('\n').slice(2)).toEqual([
      "| `public.tidy(p_label text default ')')` | Tidies up. | its owner | service_role |",
    ]);
  });

  test('a function without a comment is an error', async () => {
    const { functions } = await accessOf([
      {
        path: 'f.sql',
        sql: 'create function private.f() returns void language sql as $$ select 1 $$;',
      },
    ]);
    expect(functions).toMatchObject([{ executableBy: ['public'] }]);
    expect(() => functionTable(functions)).toThrow('function private.f has no comment');
  });

  test('a grant on a whole schema is an error, for no file would show it', async () => {
    await expect(
      accessOf([{ path: 'all.sql', sql: 'grant select on all tables in schema public to anon;' }]),
    ).rejects.toThrow('all.sql');
  });
});
