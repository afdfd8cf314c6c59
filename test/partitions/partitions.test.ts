import { loginUrl } from '@mobvibe/db/connection';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { dumpCatalog } from '../harness/catalog.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { append, broadcasts, createRunningWork } from '../sync/support.ts';

const until = (condition: () => Promise<boolean>) =>
  vi.waitUntil(condition, { timeout: 20_000, interval: 10 });

let db: TestDatabase;
beforeEach(async () => {
  db = await createTestDatabase();
});
afterEach(() => db?.drop());

const extend = async () =>
  (await db.asWorker((client) => client.query('select private.extend_event_partitions() as made'))).rows[0]
    .made;
const strays = async () => (await db.sql.query('select from partitions.session_events_default')).rowCount;

/** Takes a month's partition away, as if nobody had made it in time. */
const lose = async (month: 'now()' | "now() + interval '1 month'") => {
  const { rows } = await db.sql.query<{ name: string }>(
    `select 'session_events_' || to_char((${month}) at time zone 'UTC', 'YYYY_MM') as name`,
  );
  await db.sql.query(`drop table partitions.${rows[0]?.name}`);
};

describe('making the month of events that landed in the default partition', () => {
  test('moves them there as they are, and tells nobody again', async () => {
    const alice = await db.createUser({ tier: 'pro' });
    const { job, session } = await createRunningWork(db, alice);
    await lose('now()');
    const catalog = await dumpCatalog(db.sql);
    await db.asWorker((client) =>
      append(client, job, Array(20).fill({ type: 'message', payload: { a: 1 } })),
    );
    expect(await strays()).toBe(20);
    const all = () =>
      db.sql.query('select * from public.session_events order by seq').then(({ rows }) => rows);
    const before = await all();
    const told = await broadcasts(db.sql, `session:${session}`);

    expect(await extend()).toBe(1);
    expect(await strays()).toBe(0);
    expect(await all()).toEqual(before);
    expect(await broadcasts(db.sql, `session:${session}`)).toEqual(told);
    expect(await extend()).toBe(0);
    // What the others are, this one is.
    const added = (await dumpCatalog(db.sql)).filter((line) => !catalog.includes(line));
    const month = /session_events_(\d{4}_\d{2})/.exec(added.join())?.[1] ?? '';
    const [year, number] = month.split('_').map(Number);
    const next = new Date(Date.UTC(year as number, number as number))
      .toISOString()
      .slice(0, 7)
      .replace('-', '_');
    const shapeOf = (lines: string[], of: string) =>
      lines
        .filter((line) => line.includes(`session_events_${of}`))
        .map((line) => line.replaceAll(of, 'MONTH').replaceAll(/bound .+ comment .+$/g, ''))
        .sort();
    expect(shapeOf(added, month)).toEqual(shapeOf(catalog, next));
  });

  test('finds those of other times as well', async () => {
    const alice = await db.createUser();
    const { job, session } = await createRunningWork(db, alice);
    const times = ['2020-02-29T23:59:59.999999Z', '2020-03-01T00:00:00Z', '-infinity'];
    for (const [index, time] of times.entries()) {
      await db.sql.query(
        `insert into public.session_events (session_id, user_id, job_id, seq, created_at, type)
         values ($1, $2, $3, $4, $5, 'message')`,
        [session, alice, job, index + 1, time],
      );
    }
    expect(await extend()).toBe(2);
    const { rows } = await db.sql.query(
      'select tableoid::regclass::text as name from public.session_events order by seq',
    );
    expect(rows.map(({ name }) => name)).toEqual([
      'partitions.session_events_2020_02',
      'partitions.session_events_2020_03',
      'partitions.session_events_default',
    ]);
  });

  test('loses and doubles nothing while others append, delete and make it as well', async () => {
    const alice = await db.createUser({ tier: 'enterprise' });
    const works = [];
    for (let index = 0; index < 3; index++) works.push(await createRunningWork(db, alice));
    await lose('now()');
    let writing = true;
    const written = works.map(async ({ job }) => {
      const client = new pg.Client({ connectionString: loginUrl('mobvibe_worker', { url: db.url }) });
      await client.connect();
      let batches = 0;
      try {
        for (; writing || batches < 20; batches++)
          await append(client, job, [{ type: 'message' }, { type: 'status' }]);
      } finally {
        await client.end();
      }
      return batches * 2;
    });
    const doomed = await createRunningWork(db, alice);
    await db.asWorker((client) => append(client, doomed.job, Array(50).fill({ type: 'message' })));
    const [first, second] = await Promise.all([
      extend(),
      extend(),
      db.sql.query('delete from public.coding_sessions where id = $1', [doomed.session]),
    ]);
    writing = false;
    const counts = await Promise.all(written);
    expect(first + second).toBe(1);
    expect(await strays()).toBe(0);
    for (const [index, { session }] of works.entries()) {
      const { rows } = await db.sql.query(
        'select count(*)::int as count, max(seq)::int as last from public.session_events where session_id = $1',
        [session],
      );
      expect(rows[0]).toEqual({ count: counts[index], last: counts[index] });
    }
    const left = await db.sql.query('select from public.session_events where session_id = $1', [
      doomed.session,
    ]);
    expect(left.rowCount).toBe(0);
  });
});

test('while a month waits to be made, everybody appends', async () => {
  const alice = await db.createUser();
  const { job } = await createRunningWork(db, alice);
  const reader = new pg.Client({ connectionString: db.url });
  await reader.connect();
  try {
    // As long as this is not over, the default partition cannot be looked through for what belongs to the month.
    await lose("now() + interval '1 month'");
    await reader.query('begin');
    await reader.query('select count(*) from public.session_events');
    const made = extend();
    await until(async () => {
      const { rows } = await db.sql.query(
        "select from pg_stat_activity where query ~ 'extend_event_partitions' and wait_event_type in ('Lock', 'Timeout')",
      );
      return rows.length > 0;
    });
    for (let batch = 0; batch < 30; batch++) {
      await db.sql.query('select private.append_session_events($1, \'w1\', 1, \'[{"type":"message"}]\')', [
        job,
      ]);
    }
    await reader.query('commit');
    expect(await made).toBe(1);
  } finally {
    await reader.end();
  }
});
