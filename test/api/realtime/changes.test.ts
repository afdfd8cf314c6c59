import { randomUUID } from 'node:crypto';
import type { RealtimePostgresChangesPayload } from '@supabase/supabase-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { adminUrlOf, createTestDatabase, type TestDatabase } from '../../harness/database.ts';
import { join, serviceKey, startRealtime, type TestRealtime, tokenFor, until } from './support.ts';

let db: TestDatabase;
let stack: TestRealtime;
const alice = randomUUID();
const bob = randomUUID();

type Payload = RealtimePostgresChangesPayload<Record<string, unknown>>;

beforeAll(async () => {
  db = await createTestDatabase('platform');
  await db.sql.query(`
    create type public.mood as enum ('good', 'bad');
    create table public.notes (
      id int primary key, owner uuid, body text, secret text, mood public.mood, tags text[], extra jsonb,
      big bigint, at timestamptz, amount numeric
    );
    alter table public.notes enable row level security;
    create policy "Owners read" on public.notes for select to authenticated using (owner = (select auth.uid()));
    revoke all on public.notes from anon, authenticated;
    grant select (id, owner, body, mood, tags, extra, big, at, amount) on public.notes to authenticated;
    grant select on public.notes to service_role;
    create table public.open_notes (id int primary key, body text);
    grant select on public.open_notes to anon, authenticated;
    create table public.keyless (body text);
    alter table public.keyless replica identity full;
    grant select on public.keyless to anon, authenticated;
    create table public.unpublished (id int primary key);
    alter publication supabase_realtime add table public.notes, public.open_notes, public.keyless;
  `);
  stack = await startRealtime(adminUrlOf(db.url));
});
afterEach(() => stack.disconnect());
afterAll(async () => {
  await stack?.close();
  await db?.drop();
});

/** Follows a table, and waits until the server says so. */
async function follow(token: string | undefined, wish: object, vsn = '2.0.0') {
  const channel = stack.client(token, { vsn }).channel(`follow ${randomUUID()}`);
  const changes: Payload[] = [];
  const system: { status: string; message: string; extension: string }[] = [];
  channel.on('system', {}, (message) => system.push(message));
  channel.on('postgres_changes', { event: '*', schema: 'public', ...wish } as never, (change: Payload) =>
    changes.push(change),
  );
  const status = await join(channel);
  await until(() => system.length > 0);
  return { status, changes, system: system[0] };
}

const bodies = (changes: Payload[]) => changes.map((change) => (change.new as { body?: string }).body);
const addNote = (id: number, owner: string, body: string, mood = 'good') =>
  db.sql.query('insert into public.notes (id, owner, body, secret, mood) values ($1, $2, $3, $4, $5)', [
    id,
    owner,
    body,
    'hidden',
    mood,
  ]);

test.each(['1.0.0', '2.0.0'])('an insert, an update and a delete, protocol %s', async (vsn) => {
  const id = vsn === '1.0.0' ? 1 : 2;
  const { status, changes, system } = await follow(await tokenFor(alice), { table: 'notes' }, vsn);
  expect(status).toBe('SUBSCRIBED');
  expect(system).toMatchObject({
    status: 'ok',
    extension: 'postgres_changes',
    message: 'Subscribed to PostgreSQL',
  });
  await db.sql.query(
    `insert into public.notes values ($1, $2, 'ä "', 's', 'good', '{a,"b c"}', '{"n": 1}', 42, '2026-01-02T03:04:05Z', 1.5)`,
    [id, alice],
  );
  await db.sql.query(`update public.notes set body = 'new' where id = $1`, [id]);
  await db.sql.query('delete from public.notes where id = $1', [id]);
  await until(() => changes.length === 2 + 1 || changes.some(({ eventType }) => eventType === 'DELETE'));
  const seen = changes.filter((change) => JSON.stringify([change.new, change.old]).includes(`"id":${id}`));
  // The row was gone before anybody could be asked whether they saw it come: only what is left is certain.
  expect(seen.at(-1)).toMatchObject({
    eventType: 'DELETE',
    schema: 'public',
    table: 'notes',
    old: { id },
    new: {},
    errors: null,
  });
  expect(seen.at(-1)?.old).toEqual({ id });
});

test('values have their types, and columns without a grant are left out', async () => {
  const { changes } = await follow(await tokenFor(alice), { table: 'notes' });
  await db.sql.query(
    `insert into public.notes values (10, $1, 'text', 's', 'bad', '{a,"b c"}', '{"n": 1}', 42, '2026-01-02T03:04:05Z', 1.5)`,
    [alice],
  );
  await until(() => changes.length === 1);
  expect(changes[0]).toMatchObject({
    eventType: 'INSERT',
    commit_timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    new: {
      id: 10,
      owner: alice,
      body: 'text',
      mood: 'bad',
      tags: ['a', 'b c'],
      extra: { n: 1 },
      big: 42,
      at: '2026-01-02T03:04:05+00:00',
      amount: 1.5,
    },
    old: {},
  });
  expect(changes[0]?.new).not.toHaveProperty('secret');
  await db.sql.query(`update public.notes set body = 'other' where id = 10`);
  await until(() => changes.length === 2);
  expect(changes[1]).toMatchObject({ eventType: 'UPDATE', new: { id: 10, body: 'other' }, old: { id: 10 } });
});

test('everybody sees their own rows, the service all, anon none', async () => {
  const [ofAlice, ofBob, ofService, ofAnon] = [
    await follow(await tokenFor(alice), { table: 'notes' }),
    await follow(await tokenFor(bob), { table: 'notes' }),
    await follow(serviceKey, { table: 'notes' }),
    await follow(undefined, { table: 'notes' }),
  ] as const;
  await addNote(20, alice, 'of alice');
  await addNote(21, bob, 'of bob');
  await until(
    () => ofService.changes.length === 2 && ofBob.changes.length === 1 && ofAnon.changes.length === 2,
  );
  expect(bodies(ofAlice.changes)).toEqual(['of alice']);
  expect(bodies(ofBob.changes)).toEqual(['of bob']);
  expect(bodies(ofService.changes)).toEqual(['of alice', 'of bob']);
  expect(ofAnon.changes.map((change) => [change.new, change.errors])).toEqual(
    Array(2).fill([{}, ['Error 401: Unauthorized']]),
  );
});

describe('filters', () => {
  test.each([
    ['id=eq.31', ['31']],
    ['id=neq.31', ['30', '32']],
    ['id=lt.31', ['30']],
    ['id=lte.31', ['30', '31']],
    ['id=gt.31', ['32']],
    ['id=gte.31', ['31', '32']],
    ['id=in.(30,32)', ['30', '32']],
    ['body=in.(31,"3,2")', ['31']],
    ['mood=eq.bad', ['32']],
    ['body=like.3%', ['30', '31', '32']],
    ['id=not.eq.31', ['30', '32']],
    ['extra=is.null,id=gt.30', ['31', '32']],
    [`owner=eq.${alice}`, ['30', '31', '32']],
    [`owner=eq.${bob}`, []],
  ])('%s', async (filter, expected) => {
    const filtered = await follow(await tokenFor(alice), { table: 'notes', filter });
    const all = await follow(await tokenFor(alice), { table: 'notes', event: 'INSERT' });
    expect(filtered.system?.status).toBe('ok');
    await db.sql.query('delete from public.notes where id between 30 and 32');
    for (const id of [30, 31, 32]) await addNote(id, alice, String(id), id === 32 ? 'bad' : 'good');
    await until(() => all.changes.length === 3);
    // Decided before the last of the others was sent.
    expect(bodies(filtered.changes.filter(({ eventType }) => eventType === 'INSERT'))).toEqual(expected);
  });

  test.each([
    ['an operator that is none', { table: 'notes', filter: 'id=foo.1' }],
    ['no operator', { table: 'notes', filter: 'undefined' }],
    ['a column that is none', { table: 'notes', filter: 'nothing=eq.1' }],
    ['a column the role may not read', { table: 'notes', filter: 'secret=eq.hidden' }],
    ['a value of another type', { table: 'notes', filter: 'id=eq.one' }],
    ['SQL in a column', { table: 'notes', filter: 'id" is null or 1=eq.1' }],
    ['a table that is not published', { table: 'unpublished' }],
    ['a table that does not exist', { table: 'nowhere' }],
    ['a filter on all tables', { filter: 'id=eq.1' }],
  ])('%s is refused', async (_, wish) => {
    const { system, status } = await follow(await tokenFor(alice), wish);
    expect(status).toBe('SUBSCRIBED');
    expect(system).toMatchObject({ status: 'error', extension: 'postgres_changes' });
  });
});

test('one channel with several wishes hears each where it belongs', async () => {
  const channel = stack.client(await tokenFor(alice)).channel('several');
  const heard: Record<string, Payload[]> = { inserts: [], open: [], chosen: [] };
  const ready: unknown[] = [];
  const on = (name: string, wish: object) =>
    channel.on('postgres_changes', { schema: 'public', ...wish } as never, (change: Payload) =>
      heard[name]?.push(change),
    );
  on('inserts', { event: 'INSERT', table: 'notes' });
  on('open', { event: '*', table: 'open_notes' });
  on('chosen', { event: 'INSERT', table: 'notes', select: ['body'] });
  channel.on('system', {}, (message) => ready.push(message));
  await join(channel);
  await until(() => ready.length > 0);
  await addNote(40, alice, 'forty');
  await db.sql.query(`insert into public.open_notes values (1, 'open')`);
  await db.sql.query('delete from public.open_notes');
  await until(() => heard.open?.length === 2);
  expect(bodies(heard.inserts ?? [])).toEqual(['forty']);
  expect(heard.chosen?.map((change) => change.new)).toEqual([{ id: 40, body: 'forty' }]);
  expect(heard.open?.map((change) => [change.eventType, change.new, change.old])).toEqual([
    ['INSERT', { id: 1, body: 'open' }, {}],
    ['DELETE', {}, { id: 1 }],
  ]);
});

test('a table without a primary key says so, and tells nothing', async () => {
  const { changes } = await follow(await tokenFor(alice), { table: 'keyless' });
  await db.sql.query(`insert into public.keyless values ('x')`);
  await until(() => changes.length === 1);
  expect(changes[0]).toMatchObject({ new: {}, errors: ['Error 400: Bad Request, no primary key'] });
});

test('a long value is left out, and said to be', async () => {
  const { changes } = await follow(await tokenFor(alice), { table: 'notes' });
  await addNote(50, alice, 'x'.repeat(1_100_000));
  await until(() => changes.length === 1);
  expect(changes[0]).toMatchObject({
    new: { id: 50, mood: 'good' },
    errors: ['Error 413: Payload Too Large'],
  });
  expect(changes[0]?.new).not.toHaveProperty('body');
});

test('1,000 rows of one transaction arrive in order', async () => {
  const { changes } = await follow(await tokenFor(alice), { table: 'notes' });
  await db.sql.query(
    'insert into public.notes (id, owner, body) select n, $1, n::text from generate_series(1000, 1999) as n',
    [alice],
  );
  await until(() => changes.length === 1000);
  expect(bodies(changes)).toEqual(Array.from({ length: 1000 }, (_, n) => String(n + 1000)));
});
