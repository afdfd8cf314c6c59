import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writableColumns } from '../harness/access-table.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { OPERATIONS, type Scope } from './attempts.ts';
import { writeMatrix } from './matrix.ts';
import { type Attack, attackAll, byLabel, compare, gone } from './suite.ts';

const file = new URL('./expected-matrix.txt', import.meta.url);

let db: TestDatabase;
let attack: Attack;

beforeAll(async () => {
  db = await createTestDatabase();
  attack = await attackAll(db);
  if (process.env.UPDATE_MATRIX) writeFileSync(file, writeMatrix(byLabel(attack), OPERATIONS));
});
afterAll(() => db.drop());

const users = ['a user', 'another user', 'forged claims'];
/** The items of an operation that came to something else than a refusal. */
const reached = (target: string, actor: string, operation: string, scope: Scope): string[] =>
  [...(attack.found.get(target)?.get(actor)?.get(operation)?.get(scope) ?? [])]
    .filter(([, outcome]) => outcome !== 'denied')
    .map(([item]) => item);
const succeeded = (target: string, actor: string): string[] =>
  [...(attack.found.get(target)?.get(actor) ?? [])].flatMap(([operation, cell]) =>
    [...(cell.get('foreign') ?? [])]
      .filter(([, outcome]) => outcome === 'yes')
      .map(([item]) => `${target} · ${actor} · ${operation} · ${item}`),
  );

test('every attempt ends as the reviewed matrix says', () => {
  const matrix = readFileSync(file, 'utf8');
  const report = compare(attack, matrix);
  const { tables, routines } = attack.catalog;
  console.log(
    `${attack.attempts} attempts on ${tables.length} tables and ${routines.length} functions by ${attack.actors.length} attackers: ${report.length} unexpected`,
  );
  expect(report).toEqual([]);
  expect(gone(attack, matrix), 'in the matrix, but gone from the database').toEqual([]);
});

// Not from the matrix: rewriting it must not be able to approve any of these.
describe('whatever the matrix says', () => {
  test('anon, and the login of app teams without a user, get nowhere', () => {
    const got = [...attack.found.keys()].flatMap((target) =>
      ['anon', 'mobvibe_app'].flatMap((actor) =>
        [...(attack.found.get(target)?.get(actor) ?? [])].flatMap(([operation]) =>
          (['own', 'foreign', 'blind'] as const).flatMap((scope) =>
            reached(target, actor, operation, scope).map(
              (item) => `${target} · ${actor} · ${operation} · ${item}`,
            ),
          ),
        ),
      ),
    );
    expect(got).toEqual([]);
  });

  test('no user sees or changes a foreign row of a table that has owners', () => {
    const got = attack.catalog.tables.flatMap((table) =>
      users.flatMap((actor) =>
        // A new row of one's own is not a foreign one, whatever it refers to: that is the matrix's to say.
        succeeded(table.id, actor).filter((line) => !line.includes(' · insert · ')),
      ),
    );
    expect(got).toEqual([]);
  });

  test('a user reaches nothing outside schema public', () => {
    const got = [...attack.found.keys()]
      .filter((target) => !target.startsWith('public.'))
      .flatMap((target) =>
        [...users, 'no claims'].flatMap((actor) =>
          [...OPERATIONS, 'call'].flatMap((operation) =>
            (['own', 'foreign', 'blind'] as const).flatMap((scope) =>
              reached(target, actor, operation, scope).map(
                (item) => `${target} · ${actor} · ${operation} · ${item}`,
              ),
            ),
          ),
        ),
      );
    expect(got).toEqual([]);
  });

  test('forged claims are worth what honest ones are', () => {
    for (const [target, byActor] of attack.found) {
      expect(byActor.get('forged claims'), target).toEqual(byActor.get('a user'));
      expect(byActor.get('another user'), target).toEqual(byActor.get('a user'));
    }
  });
});

describe.each(Object.entries(writableColumns))('%s is as designed', (table, { insert, update }) => {
  test.each(users)('for %s', (actor) => {
    const target = `public.${table}`;
    const columns = attack.catalog.tables.find((candidate) => candidate.id === target)?.columns ?? [];
    expect(reached(target, actor, 'select', 'own')).toEqual(columns.map((column) => column.name));
    const inserted = ['own', 'blind'].flatMap((scope) => reached(target, actor, 'insert', scope as Scope));
    expect(new Set(inserted.filter((item) => item !== 'row'))).toEqual(new Set(insert));
    const updated = reached(target, actor, 'update', 'blind').map((item) => item.split('=')[0]);
    expect(new Set(updated)).toEqual(new Set(update));
    expect(reached(target, actor, 'delete', 'own')).toEqual([]);
    expect(reached(target, actor, 'truncate', 'own')).toEqual([]);
  });
});

describe('what appears is attacked the day it appears', () => {
  let planted: string[];
  beforeAll(async () => {
    await db.sql.query(`
      create table public.planted_closed (id uuid primary key default gen_random_uuid(), project_id uuid not null references public.projects (id));
      alter table public.planted_closed enable row level security;
      revoke all on public.planted_closed from public, anon, authenticated, service_role;
      create table public.planted_open (id uuid primary key default gen_random_uuid(), user_id uuid not null default auth.uid() references public.profiles (id), secret text);
      grant select, update (secret) on public.planted_open to authenticated;
      create table public.planted_default (id bigint generated always as identity primary key, word text not null unique);
      create view public.planted_view as select * from public.planted_open;
      grant select on public.planted_view to anon;
      create function public.planted_function(p_project_id uuid) returns bigint language sql security definer set search_path = ''
        as 'select count(*) from public.projects where id = p_project_id'`);
    const again = await attackAll(db, (target) => target.includes('planted'));
    planted = compare(again, readFileSync(file, 'utf8'));
  });

  test('a closed table asks for its place in the matrix, and for nothing else', () => {
    expect(planted.filter((line) => line.includes('planted_closed'))).toEqual([
      'not in the reviewed matrix: public.planted_closed',
    ]);
  });
  test('a table without policies is named with each thing that succeeded', () => {
    expect(planted).toContain(
      'unexpected success: public.planted_open · forged claims · select · foreign · secret: yes, expected denied',
    );
    expect(planted).toContain(
      'unexpected success: public.planted_open · a user · update · foreign · secret: yes, expected denied',
    );
  });
  test('so is a table left with the platform’s default grants', () => {
    expect(planted).toContain(
      'unexpected success: public.planted_default · anon · truncate · own · table: yes, expected denied',
    );
  });
  test('so is a view that runs with its owner’s rights', () => {
    expect(planted).toContain(
      'unexpected success: public.planted_view · anon · select · blind · secret: yes, expected denied',
    );
  });
  test('so is a function that everybody may execute', () => {
    expect(planted).toContain(
      'unexpected success: public.planted_function(p_project_id uuid) · anon · call · foreign · call: yes, expected denied',
    );
  });
});
