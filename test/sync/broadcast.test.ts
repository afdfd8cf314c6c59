import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { append, broadcasts, createRunningWork, createWork } from './support.ts';

let db: TestDatabase;
let user: string;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());
beforeEach(async () => {
  user = await db.createUser({ tier: 'enterprise' });
});

const message = (text: string) => ({ type: 'message', payload: { text } });

describe('session:<id>', () => {
  test('one message for a batch, with what events_since gives', async () => {
    const { session, job } = await createRunningWork(db, user);
    await db.asWorker((client) => append(client, job, [message('one'), message('two'), message('three')]));
    await db.asWorker((client) => append(client, job, [message('four')]));
    const sent = await broadcasts(db.sql, `session:${session}`);
    const { rows } = await db.sql.query(
      'select to_jsonb(e) as event from public.events_since($1, 0) as e order by e.seq',
      [session],
    );
    const events = rows.map((row) => row.event);
    expect(sent).toEqual([
      { event: 'events', payload: { from_seq: 1, to_seq: 3, events: events.slice(0, 3) } },
      { event: 'events', payload: { from_seq: 4, to_seq: 4, events: events.slice(3) } },
    ]);
  });

  test('one message for each session of a statement', async () => {
    const [one, two] = [await createWork(db, user), await createWork(db, user)];
    await db.sql.query(
      `insert into public.session_events (session_id, user_id, job_id, seq, type)
       select s.session::uuid, $1, s.job::uuid, n, 'message'
       from (values ($2, $3), ($4, $5)) as s (session, job), generate_series(1, 2) as n`,
      [user, one.session, one.job, two.session, two.job],
    );
    for (const { session } of [one, two]) {
      const sent = await broadcasts(db.sql, `session:${session}`);
      expect(sent.map(({ payload }) => [payload.from_seq, payload.to_seq])).toEqual([[1, 2]]);
    }
  });

  test('what is too large for a message is named by its range', async () => {
    const { session, job } = await createRunningWork(db, user);
    const large = message('x'.repeat(60_000));
    await db.asWorker((client) => append(client, job, [large, large]));
    await db.asWorker((client) => append(client, job, [large, large, large]));
    const sent = (await broadcasts(db.sql, `session:${session}`)).map(({ payload }) => payload);
    expect(sent).toEqual([
      expect.objectContaining({ from_seq: 1, to_seq: 2, events: expect.any(Array) }),
      { from_seq: 3, to_seq: 5 },
    ]);
    // The free plan's limit, with room for how Realtime measures and frames it.
    expect(JSON.stringify(sent[0]).length).toBeLessThan(200_000);
  });

  test('what happened long ago is not told', async () => {
    const { session, job } = await createWork(db, user);
    await db.sql.query(
      `insert into public.session_events (session_id, user_id, job_id, seq, type, created_at)
       values ($1, $2, $3, 1, 'message', now() - interval '1 hour')`,
      [session, user, job],
    );
    expect(await broadcasts(db.sql, `session:${session}`)).toEqual([]);
  });

  test('without a partition for today the append succeeds, and its caller is warned', async () => {
    const { session, job } = await createRunningWork(db, user);
    const admin = new pg.Client({
      connectionString: Object.assign(new URL(inject('server').adminUrl), {
        pathname: new URL(db.url).pathname,
      }).href,
    });
    await admin.connect();
    const { rows } = await admin.query(
      `select inhrelid::regclass::text as name, pg_get_expr(c.relpartbound, c.oid) as bound
       from pg_inherits join pg_class as c on c.oid = inhrelid where inhparent = 'realtime.messages'::regclass`,
    );
    const warnings: string[] = [];
    try {
      for (const { name } of rows)
        await admin.query(`alter table realtime.messages detach partition ${name}`);
      await db.asWorker(async (client) => {
        client.on('notice', (notice) => warnings.push(`${notice.severity} ${notice.code}`));
        await append(client, job, [message('still stored')]);
      });
    } finally {
      for (const { name, bound } of rows) {
        await admin.query(`alter table realtime.messages attach partition ${name} ${bound}`);
      }
      await admin.end();
    }
    expect(warnings).toEqual(['WARNING 23514']);
    const stored = await db.sql.query('select from public.session_events where session_id = $1', [session]);
    expect(stored.rowCount).toBe(1);
  });
});

describe('user:<id>', () => {
  const told = async () => (await broadcasts(db.sql, `user:${user}`)).map(({ payload }) => payload);

  test('each change of a state is told once, with ids and status alone', async () => {
    const { project, session, job } = await createRunningWork(db, user);
    await db.asUser(user, (client) =>
      client.query('update public.coding_jobs set cancel_requested_at = now() where id = $1', [job]),
    );
    await db.asUser(user, (client) =>
      client.query('update public.projects set deleted_at = now() where id = $1', [project]),
    );
    const changes = await told();
    for (const change of changes) {
      expect(Object.keys(change).sort()).toEqual(['rows', 'table']);
      for (const row of change.rows as object[]) expect(Object.keys(row).sort()).toEqual(['id', 'status']);
    }
    expect(changes).toEqual(
      expect.arrayContaining([
        { table: 'projects', rows: [{ id: project, status: 'active' }] },
        { table: 'coding_sessions', rows: [{ id: session, status: 'pending' }] },
        { table: 'coding_jobs', rows: [{ id: job, status: 'pending' }] },
        { table: 'coding_sessions', rows: [{ id: session, status: 'active' }] },
        { table: 'coding_jobs', rows: [{ id: job, status: 'processing' }] },
        { table: 'coding_sessions', rows: [{ id: session, status: 'cancelled' }] },
      ]),
    );
  });

  test('a heartbeat, a batch of events and a change of nothing are not told', async () => {
    const { session, job } = await createRunningWork(db, user);
    const before = await told();
    expect(before.length).toBeGreaterThan(0);
    await db.asWorker(async (client) => {
      await append(client, job, [message('one')]);
      await client.query(`select from private.heartbeat_jobs('w1', array[$1]::uuid[], array[1], '1 hour')`, [
        job,
      ]);
      await client.query(`select private.update_session($1, 'w1', 1, '{}')`, [job]);
    });
    expect(await told()).toEqual(before);
    await db.asWorker((client) =>
      client.query(`select private.update_session($1, 'w1', 1, '{"webview_url": "https://example.com"}')`, [
        job,
      ]),
    );
    expect((await told()).slice(before.length)).toEqual([
      { table: 'coding_sessions', rows: [{ id: session, status: 'active' }] },
    ]);
  });

  test('one message for all rows of a statement; of very many, the table alone', async () => {
    const other = await db.createUser({ tier: 'enterprise' });
    await db.sql.query(
      `insert into public.projects (user_id, name) select $1::uuid, 'App ' || n from generate_series(1, 100) as n
       union all select $2::uuid, 'Theirs' from generate_series(1, 101)`,
      [user, other],
    );
    const mine = await told();
    expect(mine).toHaveLength(1);
    expect(mine[0]?.rows).toHaveLength(100);
    expect((await broadcasts(db.sql, `user:${other}`)).map(({ payload }) => payload)).toEqual([
      { table: 'projects', rows: null },
    ]);
  });
});
