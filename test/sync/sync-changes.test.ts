import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { append, createRunningWork, createWork, type Page, syncPage } from './support.ts';

let db: TestDatabase;
let user: string;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());
beforeEach(async () => {
  user = await db.createUser({ tier: 'enterprise' });
});

const idsOf = (page: Page) => ({
  projects: page.projects.map((row) => row.id),
  coding_sessions: page.coding_sessions.map((row) => row.id),
  coding_jobs: page.coding_jobs.map((row) => row.id),
});
const NOTHING = { projects: [], coding_sessions: [], coding_jobs: [] };

test('everything at first, then what changed, then nothing', async () => {
  const { project, session, job } = await createWork(db, user);
  await createWork(db, await db.createUser());
  const first = await syncPage(db, user);
  expect(first).toMatchObject({ reset: true, more: false });
  expect(idsOf(first)).toEqual({ projects: [project], coding_sessions: [session], coding_jobs: [job] });

  const second = await syncPage(db, user, first.cursor);
  expect(second).toMatchObject({ reset: false, more: false, ...NOTHING });

  await db.asUser(user, (client) =>
    client.query('update public.coding_jobs set cancel_requested_at = now() where id = $1', [job]),
  );
  const third = await syncPage(db, user, second.cursor);
  expect(idsOf(third)).toEqual({ ...NOTHING, coding_jobs: [job] });
  expect(third.coding_jobs[0]?.status).toBe('cancelled');
});

test('tombstones are told, of the project and of what ended with it', async () => {
  const { project, session, job } = await createWork(db, user);
  const { cursor } = await syncPage(db, user);
  await db.asUser(user, (client) =>
    client.query('update public.projects set deleted_at = now() where id = $1', [project]),
  );
  const page = await syncPage(db, user, cursor);
  expect(idsOf(page)).toEqual({ projects: [project], coding_sessions: [session], coding_jobs: [job] });
  expect(page.projects[0]?.deleted_at).not.toBeNull();
  expect(page.coding_sessions[0]?.status).toBe('cancelled');
});

test('a heartbeat and a batch of events change nothing', async () => {
  const { job } = await createRunningWork(db, user);
  const { cursor } = await syncPage(db, user);
  await db.asWorker(async (client) => {
    await append(client, job, [{ type: 'message' }]);
    await client.query(`select from private.heartbeat_jobs('w1', array[$1]::uuid[], array[1], '1 hour')`, [
      job,
    ]);
  });
  expect(await syncPage(db, user, cursor)).toMatchObject(NOTHING);
});

test('what a transaction writes that was open at the last call comes once it is committed', async () => {
  const { project } = await createWork(db, user);
  const { rows } = await db.sql.query(
    'select pg_typeof(changed_xid)::text as type from public.projects limit 1',
  );
  expect(rows).toEqual([{ type: 'xid8' }]);
  await db.sql.query('begin');
  await db.sql.query("update public.projects set name = 'Renamed' where id = $1", [project]);
  const other = randomUUID();
  await db.asUser(user, (client) =>
    client.query("insert into public.projects (id, name) values ($1, 'Later')", [other]),
  );
  const first = await syncPage(db, user);
  expect(first.projects.map((row) => row.name).sort()).toEqual(['App', 'Later']);
  await db.sql.query('commit');
  const second = await syncPage(db, user, first.cursor);
  expect(second.projects.map((row) => row.name)).toEqual(['Renamed']);
  expect(await syncPage(db, user, second.cursor)).toMatchObject(NOTHING);
});

describe('pages', () => {
  test.each([1, 2, 3, 7])('of %i give every row once, parents before children', async (limit) => {
    const works = [await createWork(db, user, 3), await createWork(db, user, 2)];
    const seen: string[] = [];
    let page = await syncPage(db, user, null, limit);
    for (;;) {
      const ids = Object.values(idsOf(page)).flat();
      expect(ids.length).toBeLessThanOrEqual(limit);
      seen.push(...ids);
      if (!page.more) break;
      page = await syncPage(db, user, page.cursor, limit);
      expect(page.reset).toBe(false);
    }
    const expected = [
      works.map((work) => work.project),
      works.map((work) => work.session),
      works.flatMap((work) => work.jobs),
    ];
    expect(seen.slice(0, 2).sort()).toEqual(expected[0]?.sort());
    expect(seen.slice(2, 4).sort()).toEqual(expected[1]?.sort());
    expect(seen.slice(4).sort()).toEqual(expected[2]?.sort());
  });

  test('end before they become too large', async () => {
    const { session } = await createWork(db, user);
    await db.sql.query(
      `insert into public.coding_jobs (user_id, session_id, prompt)
       select $1, $2, repeat('x', 32000) from generate_series(1, 60)`,
      [user, session],
    );
    const first = await syncPage(db, user);
    expect(first.more).toBe(true);
    expect(JSON.stringify(first).length).toBeLessThan(1_100_000);
    const second = await syncPage(db, user, first.cursor);
    expect(second.more).toBe(false);
    expect(first.coding_jobs.length + second.coding_jobs.length).toBe(61);
  });

  test('hold no more than 1,000 rows, whatever is asked for', async () => {
    await db.sql.query(
      `insert into public.projects (user_id, name) select $1, 'App' from generate_series(1, 1001)`,
      [user],
    );
    expect((await syncPage(db, user, null, 1_000_000)).projects).toHaveLength(1000);
    expect((await syncPage(db, user, null, -5)).projects).toHaveLength(1);
  });
});

describe('the cursor', () => {
  test.each([
    '',
    'x',
    '1',
    '2/0123456789abcdef/5:5:',
    '1/0123456789abcdef/5',
    '1/0123456789abcdef/5:4:',
    '1/0123456789abcdef/5:5:,',
    '1/0123456789abcdef/-5:5:',
    '1/0123456789abcdef/5:5:/5:5:/4/4/00000000-0000-0000-0000-000000000000',
    '1/0123456789abcdef/5:5:/5:5:/1/4/------------------------------------',
    '1/0123456789abcdef/5:5:/5:4:/1/4/00000000-0000-0000-0000-000000000000',
    "1/0123456789abcdef/5:5:'; select 1 --",
  ])('%j is refused', async (cursor) => {
    await expect(syncPage(db, user, cursor)).rejects.toMatchObject({ code: '22023' });
  });

  test('of another user shows none of that user’s rows', async () => {
    const stranger = await db.createUser();
    await createWork(db, user, 3);
    const { cursor } = await syncPage(db, user, null, 2);
    expect(await syncPage(db, stranger, cursor)).toMatchObject(NOTHING);
  });

  test('of another database, or of one that was set back, begins anew', async () => {
    const { project } = await createWork(db, user);
    const { cursor } = await syncPage(db, user);
    const [version, database, snapshot] = cursor.split('/');
    const ahead = `${version}/${database}/${10n ** 15n}:${10n ** 15n}:`;
    const elsewhere = '1/0123456789abcdef';
    for (const strange of [ahead, `${elsewhere}/${snapshot}`, `${elsewhere}/5:5:/4:4:/3/4/${project}`]) {
      const page = await syncPage(db, user, strange);
      expect(page.reset, strange).toBe(true);
      expect(page.projects.map((row) => row.id)).toEqual([project]);
    }
    const copy = await createTestDatabase();
    try {
      const owner = await copy.createUser();
      expect((await syncPage(copy, owner, cursor)).reset).toBe(true);
    } finally {
      await copy.drop();
    }
  });
});

test('a restored row with a stamp from another life is given by a reset, and then no more', async () => {
  const { project } = await createWork(db, user);
  await db.sql.query('alter table public.projects disable trigger user');
  await db.sql.query("update public.projects set changed_xid = '999999999999' where id = $1", [project]);
  await db.sql.query('alter table public.projects enable trigger user');
  const first = await syncPage(db, user);
  expect(first.projects.map((row) => row.id)).toEqual([project]);
  expect(await syncPage(db, user, first.cursor)).toMatchObject(NOTHING);
  await db.asUser(user, (client) =>
    client.query("update public.projects set name = 'New' where id = $1", [project]),
  );
  expect((await syncPage(db, user, first.cursor)).projects.map((row) => row.name)).toEqual(['New']);
});

describe('who may call it', () => {
  test('neither anon nor a service without a user', async () => {
    const call = 'select public.sync_changes()';
    await expect(db.asAnon((client) => client.query(call))).rejects.toMatchObject({ code: '42501' });
    await expect(db.asServiceRole((client) => client.query(call))).rejects.toMatchObject({ code: '42501' });
    await expect(db.asWorker((client) => client.query(call))).rejects.toMatchObject({ code: '42501' });
  });
});

describe('every column that it gives is watched', () => {
  const tables = ['projects', 'coding_sessions', 'coding_jobs'] as const;
  test.each(tables)('%s', async (table) => {
    await createWork(db, user);
    const page = await syncPage(db, user);
    const given = Object.keys(page[table][0] ?? {}).filter((name) => !['id', 'created_at'].includes(name));
    const { rows } = await db.sql.query(
      `select coalesce(array_agg(a.attname::text) filter (where a.attname is not null), '{}') as columns
       from pg_trigger as t
       left join pg_attribute as a on a.attrelid = t.tgrelid and a.attnum = any (t.tgattr::int2[])
       where t.tgrelid = $1::regclass and starts_with(t.tgname::text, $2)`,
      [`public.${table}`, `${table}_stamp_`],
    );
    // Without a list of columns the trigger watches all.
    if (table === 'projects') expect(rows[0].columns).toEqual([]);
    else expect(rows[0].columns.sort()).toEqual(given.sort());
  });

  const values: Record<string, string> = {
    timestamptz: "now() - interval '1 day'",
    text: "coalesce(%, '') || 'x'",
    jsonb: `coalesce(%, '{}') || '{"changed": true}'`,
    int4: '% + 1',
    int2: '% + 1',
  };
  test.each(tables)('and a change of each one of %s is told', async (table) => {
    const work = await createRunningWork(db, user);
    const id = { projects: work.project, coding_sessions: work.session, coding_jobs: work.job }[table];
    let { cursor } = await syncPage(db, user);
    const { rows } = await db.sql.query(
      `select a.attname as name, t.typname as type from pg_attribute as a join pg_type as t on t.oid = a.atttypid
       where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped and t.typname = any ($2)
         and a.attname not in ('id', 'created_at', 'updated_at', 'worker_id', 'lease_expires_at', 'completed_at',
           'expires_at', 'last_activity_at')`,
      [`public.${table}`, Object.keys(values)],
    );
    expect(rows.length).toBeGreaterThan(4);
    for (const { name, type } of rows) {
      await db.sql.query(
        `update public.${table} set ${name} = ${values[type]?.replace('%', name)} where id = $1`,
        [id],
      );
      const page = await syncPage(db, user, cursor);
      expect(
        page[table].map((row) => row.id),
        name,
      ).toEqual([id]);
      cursor = page.cursor;
    }
  });
});
