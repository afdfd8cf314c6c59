import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let db: TestDatabase;
let user: string;
let project: string;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());
beforeEach(async () => {
  user = await db.createUser({ tier: 'free' });
  project = randomUUID();
  await db.asUser(user, (client) =>
    client.query("insert into public.projects (id, name) values ($1, 'App')", [project]),
  );
});

const openSession = (client: Client): Promise<string> =>
  client
    .query('insert into public.coding_sessions (project_id) values ($1) returning id', [project])
    .then((result) => result.rows[0].id);
const enqueue = (client: Client, session: string, priority = 0): Promise<string> =>
  client
    .query(
      "insert into public.coding_jobs (session_id, prompt, priority) values ($1, 'x', $2) returning id",
      [session, priority],
    )
    .then((result) => result.rows[0].id);
const one = async (sql: string, ...values: unknown[]) => (await db.sql.query(sql, values)).rows[0];
const status = async (table: string, id: string): Promise<string> =>
  (await one(`select status from public.${table} where id = $1`, id)).status;

describe('the limit of open sessions', () => {
  test('holds when 30 are opened at once', async () => {
    const results = await Promise.allSettled(Array.from({ length: 30 }, () => db.asUser(user, openSession)));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(3);
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    for (const reason of refused) {
      expect(reason).toMatchObject({ code: 'MV003', message: 'the tier free allows 3 open sessions' });
    }
  });

  test('holds in one statement, and under repeatable read', async () => {
    await expect(
      db.asUser(user, (client) =>
        client.query('insert into public.coding_sessions (project_id) select $1 from generate_series(1, 4)', [
          project,
        ]),
      ),
    ).rejects.toMatchObject({ code: 'MV003' });
    for (let n = 0; n < 2; n++) await db.asUser(user, openSession);
    const slow = db.asUser(user, async (client) => {
      await client.query('rollback; begin isolation level repeatable read');
      await client.query(
        "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
        [JSON.stringify({ sub: user })],
      );
      await client.query('select from public.coding_sessions');
      await db.asUser(user, openSession);
      await openSession(client);
    });
    await expect(slow).rejects.toMatchObject({ code: '40001' });
    expect(
      (
        await one(
          "select count(*)::int from public.coding_sessions where user_id = $1 and status = 'pending'",
          user,
        )
      ).count,
    ).toBe(3);
  });

  test('is freed by a session that ends', async () => {
    const sessions: string[] = [];
    for (let n = 0; n < 3; n++) sessions.push(await db.asUser(user, openSession));
    await db.asUser(user, (client) =>
      client.query("update public.coding_sessions set status = 'cancelled' where id = $1", [sessions[0]]),
    );
    await db.asUser(user, openSession);
  });
});

describe('the limits of jobs', () => {
  test('a month’s jobs are counted, whoever writes them, at once too', async () => {
    const session = await db.asUser(user, openSession);
    await db.sql.query('update public.profiles set jobs_used = 45 where id = $1', [user]);
    const results = await Promise.allSettled(
      Array.from({ length: 12 }, () => db.asUser(user, (client) => enqueue(client, session))),
    );
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(5);
    await expect(
      db.sql.query("insert into public.coding_jobs (user_id, session_id, prompt) values ($1, $2, 'x')", [
        user,
        session,
      ]),
    ).rejects.toMatchObject({ code: 'MV004', message: 'the tier free allows 50 jobs a month' });
    expect(await one('select jobs_used from public.profiles where id = $1', user)).toEqual({ jobs_used: 50 });
  });

  test('the counters begin again with the month', async () => {
    const session = await db.asUser(user, openSession);
    await db.sql.query(
      "update public.profiles set jobs_used = 50, tokens_used = 9, usage_period_start = now() - interval '40 days' where id = $1",
      [user],
    );
    await db.asUser(user, (client) => enqueue(client, session));
    expect(await one('select jobs_used, tokens_used from public.profiles where id = $1', user)).toEqual({
      jobs_used: 1,
      tokens_used: '0',
    });
  });

  test('a priority above the tier’s is refused', async () => {
    const session = await db.asUser(user, openSession);
    await expect(db.asUser(user, (client) => enqueue(client, session, 1))).rejects.toMatchObject({
      code: 'MV005',
      message: 'the tier free allows priorities up to 0',
    });
  });

  test('a session that has ended takes none', async () => {
    const session = await db.asUser(user, openSession);
    await db.asUser(user, (client) => client.query("update public.coding_sessions set status = 'cancelled'"));
    await expect(db.asUser(user, (client) => enqueue(client, session))).rejects.toMatchObject({
      code: 'MV006',
    });
  });

  test('an unlimited tier is not limited', async () => {
    await db.sql.query("update public.profiles set tier = 'enterprise', jobs_used = 1000000 where id = $1", [
      user,
    ]);
    const session = await db.asUser(user, openSession);
    await db.asUser(user, (client) => enqueue(client, session, 100));
  });
});

describe('the life of a session', () => {
  const every = ['pending', 'active', 'completed', 'failed', 'expired', 'cancelled'];
  const next: Record<string, string[]> = {
    pending: ['active', 'failed', 'expired', 'cancelled'],
    active: ['completed', 'failed', 'expired', 'cancelled'],
  };
  test.each(every)('from %s, only its next steps are taken', async (from) => {
    for (const to of every.filter((candidate) => candidate !== from)) {
      const { id } = await one(
        'insert into public.coding_sessions (user_id, project_id, status) values ($1, $2, $3::public.session_status) returning id',
        user,
        project,
        from,
      );
      const step = db.sql.query(
        'update public.coding_sessions set status = $2::public.session_status where id = $1',
        [id, to],
      );
      if (next[from]?.includes(to)) await step;
      else await expect(step, `${from} → ${to}`).rejects.toMatchObject({ code: 'MV002' });
      await db.sql.query('delete from public.coding_sessions where id = $1', [id]);
    }
  });

  test.each(every.filter((candidate) => !['pending', 'cancelled'].includes(candidate)))(
    'a user may not set it to %s',
    async (to) => {
      await db.asUser(user, openSession);
      await expect(
        db.asUser(user, (client) =>
          client.query('update public.coding_sessions set status = $1::public.session_status', [to]),
        ),
      ).rejects.toMatchObject({ code: expect.stringMatching(/^(42501|MV002)$/) });
    },
  );

  test('cancelling it cancels its pending jobs, asks for the running one, and stamps the end', async () => {
    const session = await db.asUser(user, openSession);
    const running = await db.asUser(user, (client) => enqueue(client, session));
    await db.asWorker((client) => client.query("select private.claim_jobs('w1', 100, '1 minute')"));
    const waiting = await db.asUser(user, (client) => enqueue(client, session));
    await db.asUser(user, (client) => client.query("update public.coding_sessions set status = 'cancelled'"));
    expect(await status('coding_jobs', waiting)).toBe('cancelled');
    expect(
      await one(
        'select status, cancel_requested_at is not null as asked from public.coding_jobs where id = $1',
        running,
      ),
    ).toEqual({
      status: 'processing',
      asked: true,
    });
    expect(
      (await one('select ended_at from public.coding_sessions where id = $1', session)).ended_at,
    ).not.toBeNull();
  });

  test('deleting it, or its project, cancels it', async () => {
    const first = await db.asUser(user, openSession);
    await db.asUser(user, (client) => client.query('update public.coding_sessions set deleted_at = now()'));
    expect(await status('coding_sessions', first)).toBe('cancelled');
    const second = await db.asUser(user, openSession);
    await db.asUser(user, (client) => client.query('update public.projects set deleted_at = now()'));
    expect(await status('coding_sessions', second)).toBe('cancelled');
  });
});

describe('the life of a job', () => {
  const every = ['pending', 'processing', 'completed', 'failed', 'cancelled'];
  const next: Record<string, string[]> = {
    pending: ['processing', 'cancelled'],
    processing: ['pending', 'completed', 'failed', 'cancelled'],
    failed: ['pending'],
  };
  test.each(every)('from %s, only its next steps are taken', async (from) => {
    const session = await db.asUser(user, openSession);
    for (const to of every.filter((candidate) => candidate !== from)) {
      const { id } = await one(
        `insert into public.coding_jobs (user_id, session_id, prompt, status, lease_expires_at, completed_at)
         values ($1, $2, 'x', $3::public.job_status, case when $3 = 'processing' then now() end,
           case when $3 in ('completed', 'failed', 'cancelled') then now() end) returning id`,
        user,
        session,
        from,
      );
      const step = db.sql.query(
        `update public.coding_jobs set status = $2::public.job_status, lease_expires_at = case when $2 = 'processing' then now() end,
           completed_at = case when $2 in ('completed', 'failed', 'cancelled') then now() end
         where id = $1`,
        [id, to],
      );
      if (next[from]?.includes(to)) await step;
      else await expect(step, `${from} → ${to}`).rejects.toMatchObject({ code: 'MV002' });
      await db.sql.query('delete from public.coding_jobs where id = $1', [id]);
    }
  });

  test('a pending one is cancelled at once, by the database’s clock, and stays so', async () => {
    const session = await db.asUser(user, openSession);
    const job = await db.asUser(user, (client) => enqueue(client, session));
    await db.asUser(user, (client) =>
      client.query("update public.coding_jobs set cancel_requested_at = '2001-01-01'"),
    );
    await db.asUser(user, (client) =>
      client.query('update public.coding_jobs set cancel_requested_at = null'),
    );
    const row = await one(
      "select status, cancel_requested_at > now() - interval '1 minute' as recent from public.coding_jobs where id = $1",
      job,
    );
    expect(row).toEqual({ status: 'cancelled', recent: true });
  });
});

test('cancelling and appending at once does not deadlock', async () => {
  await db.sql.query("update public.profiles set tier = 'enterprise' where id = $1", [user]);
  for (let round = 0; round < 10; round++) {
    const session = await db.asUser(user, openSession);
    const job = await db.asUser(user, (client) => enqueue(client, session));
    await db.asWorker((client) => client.query("select private.claim_jobs('w1', 100, '1 minute')"));
    const append = () =>
      db.asWorker((client) =>
        client.query(`select private.append_session_events($1, 'w1', 1, '[{"type":"message"}]')`, [job]),
      );
    const cancel = () =>
      db.asUser(user, (client) =>
        client.query("update public.coding_sessions set status = 'cancelled' where id = $1", [session]),
      );
    await Promise.all([append(), append(), cancel(), append()]);
  }
});
