import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { claim, ids, queueOf } from './support.ts';

type Queue = ReturnType<typeof queueOf>;

const LEASE_LOST = { code: 'MV001', message: 'lease lost' };

let db: TestDatabase;
let queue: Queue;
beforeAll(async () => {
  db = await createTestDatabase();
  queue = queueOf(db);
});
afterAll(() => db.drop());
beforeEach(async () => {
  await db.sql.query('delete from auth.users');
});

const createSession = (user: string) => queue.createSession(user);
const enqueue = (...args: Parameters<Queue['enqueue']>) => queue.enqueue(...args);
const jobRow = (id: string) => queue.job(id);

describe('claim_jobs', () => {
  test('gives the highest priority first, then the oldest, and raises the attempt', async () => {
    const jobs: string[] = [];
    for (const priority of [0, 5, 0]) {
      const user = await db.createUser({ tier: 'pro' });
      jobs.push(await enqueue(user, await createSession(user), { priority }));
    }
    const claimed = await db.asWorker((client) => claim(client));
    expect(ids(claimed)).toEqual([jobs[1], jobs[0], jobs[2]]);
    expect(claimed[0]).toMatchObject({ status: 'processing', attempt: 1, worker_id: 'w1' });
  });

  test('takes one job of a session at a time', async () => {
    const user = await db.createUser({ tier: 'team' });
    const session = await createSession(user);
    const first = await enqueue(user, session);
    await enqueue(user, session);
    expect(ids(await db.asWorker((client) => claim(client)))).toEqual([first]);
    expect(await db.asWorker((client) => claim(client))).toEqual([]);
  });

  test('takes at most max_concurrent_jobs of a user, in one claim and over several', async () => {
    const user = await db.createUser({ tier: 'pro' });
    for (let i = 0; i < 6; i++) await enqueue(user, await createSession(user));
    expect(await db.asWorker((client) => claim(client, 'w1', 2))).toHaveLength(2);
    expect(await db.asWorker((client) => claim(client, 'w2', 10))).toHaveLength(1);
    expect(await db.asWorker((client) => claim(client, 'w3', 10))).toHaveLength(0);
  });

  test('never gives a job to two workers that ask at once, nor a user more than allowed', async () => {
    const users: string[] = [];
    for (let n = 0; n < 10; n++) users.push(await db.createUser({ tier: 'pro' }));
    const all: string[] = [];
    for (const user of users) {
      for (let i = 0; i < 5; i++) all.push(await enqueue(user, await createSession(user)));
    }
    const claimed: { id: string; user_id: string }[] = [];
    for (let round = 0; round < 5; round++) {
      const batches = await Promise.all(
        Array.from({ length: 8 }, (_, worker) => db.asWorker((client) => claim(client, `w${worker}`, 5))),
      );
      claimed.push(...batches.flat());
    }
    expect(new Set(ids(claimed)).size).toBe(claimed.length);
    expect(claimed).toHaveLength(30);
    for (const user of users) expect(claimed.filter((job) => job.user_id === user)).toHaveLength(3);
  });

  test('leaves a delayed job until its time', async () => {
    const user = await db.createUser();
    await enqueue(user, await createSession(user), { delay: '1 hour' });
    expect(await db.asWorker((client) => claim(client))).toEqual([]);
  });

  test('activates the session', async () => {
    const user = await db.createUser();
    const session = await createSession(user);
    await enqueue(user, session);
    await db.asWorker((client) => claim(client));
    const { rows } = await db.sql.query(
      'select status, started_at is not null as started, expires_at > now() as expires from public.coding_sessions where id = $1',
      [session],
    );
    expect(rows).toEqual([{ status: 'active', started: true, expires: true }]);
  });
});

describe('the fence', () => {
  const append = (client: Client, job: string, worker: string, attempt: number) =>
    client.query(`select private.append_session_events($1, $2, $3, '[{"type":"message"}]')`, [
      job,
      worker,
      attempt,
    ]);
  const writes: [
    string,
    (client: Client, job: string, worker: string, attempt: number) => Promise<unknown>,
  ][] = [
    [
      'complete_jobs',
      (client, job, worker, attempt) =>
        client.query("select private.complete_jobs($1, $2, $3, array['{}'::jsonb])", [
          worker,
          [job],
          [attempt],
        ]),
    ],
    [
      'fail_jobs',
      (client, job, worker, attempt) =>
        client.query("select private.fail_jobs($1, $2, $3, array['e'], array['m'], array[true])", [
          worker,
          [job],
          [attempt],
        ]),
    ],
    [
      'release_jobs',
      (client, job, worker, attempt) =>
        client.query('select private.release_jobs($1, $2, $3)', [worker, [job], [attempt]]),
    ],
    ['append_session_events', append],
    [
      'update_session',
      (client, job, worker, attempt) =>
        client.query(`select private.update_session($1, $2, $3, '{"sandbox_id":"x"}')`, [
          job,
          worker,
          attempt,
        ]),
    ],
  ];
  test.each(writes)('refuses %s of a worker that lost its lease, and changes nothing', async (_, write) => {
    const user = await db.createUser();
    const job = await enqueue(user, await createSession(user));
    await db.asWorker(async (client) => {
      await claim(client, 'w1', 1, '-1 second');
      await client.query('select private.reap_expired_jobs()');
      await db.sql.query('update public.coding_jobs set available_at = now() where id = $1', [job]);
      await claim(client, 'w2');
      const before = await jobRow(job);
      await expect(write(client, job, 'w1', 1)).rejects.toMatchObject({
        ...LEASE_LOST,
        detail: JSON.stringify([job]),
      });
      await expect(write(client, job, 'w1', 2)).rejects.toMatchObject(LEASE_LOST);
      await expect(write(client, job, 'w2', 1)).rejects.toMatchObject(LEASE_LOST);
      expect(await jobRow(job)).toEqual(before);
      const { rows } = await db.sql.query('select last_event_seq, sandbox_id from public.coding_sessions');
      expect(rows).toEqual([{ last_event_seq: '0', sandbox_id: null }]);
    });
  });

  test('heartbeat_jobs says which jobs are held and which are to be cancelled', async () => {
    const user = await db.createUser({ tier: 'pro' });
    const held = await enqueue(user, await createSession(user));
    const cancelled = await enqueue(user, await createSession(user));
    const stranger = randomUUID();
    await db.asWorker(async (client) => {
      await claim(client);
      await db.asUser(user, (phone) =>
        phone.query('update public.coding_jobs set cancel_requested_at = now() where id = $1', [cancelled]),
      );
      const { rows } = await client.query("select * from private.heartbeat_jobs('w1', $1, $2, '1 hour')", [
        [held, cancelled, stranger],
        [1, 1, 1],
      ]);
      expect(rows).toEqual(
        expect.arrayContaining([
          { job_id: held, held: true, cancel: false },
          { job_id: cancelled, held: true, cancel: true },
          { job_id: stranger, held: false, cancel: false },
        ]),
      );
      const { rows: late } = await client.query(
        "select held from private.heartbeat_jobs('w2', $1, $2, '1 hour')",
        [[held], [1]],
      );
      expect(late).toEqual([{ held: false }]);
    });
  });
});

describe('the end of a job', () => {
  test('complete_jobs keeps the result and adds the tokens to the owner’s usage', async () => {
    const user = await db.createUser();
    const job = await enqueue(user, await createSession(user));
    await db.asWorker(async (client) => {
      await claim(client);
      await client.query('select private.complete_jobs($1, $2, $3, $4)', [
        'w1',
        [job],
        [1],
        [JSON.stringify({ usage: { input_tokens: 100, output_tokens: 20 } })],
      ]);
    });
    expect(await jobRow(job)).toMatchObject({
      status: 'completed',
      lease_expires_at: null,
      completed_at: expect.any(Date),
    });
    const { rows } = await db.sql.query('select tokens_used from public.profiles where id = $1', [user]);
    expect(rows).toEqual([{ tokens_used: '120' }]);
    const { rows: attempts } = await db.sql.query(
      'select attempt, outcome from private.job_attempts where job_id = $1',
      [job],
    );
    expect(attempts).toEqual([{ attempt: 1, outcome: 'completed' }]);
  });

  test('fail_jobs retries after a growing delay, then fails with the reason kept', async () => {
    const user = await db.createUser();
    const job = await enqueue(user, await createSession(user), { maxAttempts: 2 });
    const fail = (client: Client, attempt: number) =>
      client
        .query(
          "select status from private.fail_jobs('w1', $1, $2, array['agent_error'], array['It broke.'], array[true])",
          [[job], [attempt]],
        )
        .then((result) => result.rows[0].status);
    await db.asWorker(async (client) => {
      await claim(client);
      expect(await fail(client, 1)).toBe('pending');
      const { rows } = await db.sql.query(
        "select available_at between now() + interval '0.9 s' and now() + interval '2 s' as later from public.coding_jobs",
      );
      expect(rows).toEqual([{ later: true }]);
      await db.sql.query('update public.coding_jobs set available_at = now()');
      await claim(client);
      expect(await fail(client, 2)).toBe('failed');
    });
    expect(await jobRow(job)).toMatchObject({
      error_code: 'agent_error',
      error_message: 'It broke.',
      attempt: 2,
    });
    const { rows } = await db.sql.query(
      'select outcome, error from private.job_attempts where job_id = $1 order by attempt',
      [job],
    );
    expect(rows).toEqual([
      { outcome: 'retried', error: 'It broke.' },
      { outcome: 'failed', error: 'It broke.' },
    ]);
  });

  test('release_jobs gives a job back at once, its attempt not counted', async () => {
    const user = await db.createUser();
    const job = await enqueue(user, await createSession(user));
    await db.asWorker(async (client) => {
      await claim(client);
      await client.query('select private.release_jobs($1, $2, $3)', ['w1', [job], [1]]);
      expect(await jobRow(job)).toMatchObject({ status: 'pending', attempt: 0, worker_id: null });
      expect(await claim(client, 'w2')).toMatchObject([{ id: job, attempt: 1 }]);
    });
  });

  test('release_jobs ends a job that was to be cancelled', async () => {
    const user = await db.createUser();
    const job = await enqueue(user, await createSession(user));
    await db.asWorker((client) => claim(client));
    await db.asUser(user, (client) =>
      client.query('update public.coding_jobs set cancel_requested_at = now() where id = $1', [job]),
    );
    await db.asWorker(async (client) => {
      await client.query('select private.release_jobs($1, $2, $3)', ['w1', [job], [1]]);
      expect(await claim(client, 'w2')).toEqual([]);
    });
    expect(await jobRow(job)).toMatchObject({ status: 'cancelled', error_code: 'cancelled', attempt: 1 });
  });

  test('reap_expired_jobs takes back what nobody heartbeats, until the attempts are used up', async () => {
    const user = await db.createUser();
    const job = await enqueue(user, await createSession(user), { maxAttempts: 1 });
    await db.asWorker(async (client) => {
      await claim(client, 'w1', 1, '-1 second');
      const reap = async () =>
        (await client.query('select private.reap_expired_jobs() as count')).rows[0].count;
      expect(await reap()).toBe(1);
      expect(await reap()).toBe(0);
    });
    expect(await jobRow(job)).toMatchObject({ status: 'failed', error_code: 'lease_expired' });
  });

  test('an idempotency key inserts once', async () => {
    const user = await db.createUser();
    const session = await createSession(user);
    const insert = () =>
      db.asUser(user, (client) =>
        client.query(
          "insert into public.coding_jobs (session_id, prompt, idempotency_key) values ($1, 'x', 'k') on conflict (user_id, idempotency_key) do nothing",
          [session],
        ),
      );
    expect((await insert()).rowCount).toBe(1);
    expect((await insert()).rowCount).toBe(0);
  });

  test('expire_sessions ends what ran out of time', async () => {
    const user = await db.createUser();
    const session = await createSession(user);
    await db.sql.query(
      "update public.coding_sessions set expires_at = now() - interval '1 second' where id = $1",
      [session],
    );
    const { rows } = await db.asWorker((client) => client.query('select private.expire_sessions() as count'));
    expect(rows).toEqual([{ count: 1 }]);
  });
});

describe('append_session_events', () => {
  test('numbers events without a gap, also when appends run at once', async () => {
    const user = await db.createUser();
    const job = await enqueue(user, await createSession(user));
    await db.asWorker((client) => claim(client));
    const events = JSON.stringify(
      Array.from({ length: 7 }, (_, n) => ({ type: 'terminal', payload: { n } })),
    );
    await Promise.all(
      Array.from({ length: 10 }, () =>
        db.asWorker((client) =>
          client.query("select private.append_session_events($1, 'w1', 1, $2)", [job, events]),
        ),
      ),
    );
    const { rows } = await db.sql.query(
      'select count(*)::int, min(seq)::int, max(seq)::int, count(distinct seq)::int as distinct from public.session_events',
    );
    expect(rows).toEqual([{ count: 70, min: 1, max: 70, distinct: 70 }]);
  });

  test('refuses an unknown type and a payload over the limit, and numbers nothing then', async () => {
    const user = await db.createUser();
    const job = await enqueue(user, await createSession(user));
    await db.asWorker(async (client) => {
      await claim(client);
      const append = (events: unknown[]) =>
        client.query("select private.append_session_events($1, 'w1', 1, $2) as last", [
          job,
          JSON.stringify(events),
        ]);
      await expect(append([{ type: 'gossip' }])).rejects.toMatchObject({ code: '22P02' });
      await expect(
        append([{ type: 'terminal', payload: { output: 'x'.repeat(70_000) } }]),
      ).rejects.toMatchObject({ code: '23514' });
      expect((await append([{ type: 'message', payload: {} }])).rows).toEqual([{ last: '1' }]);
    });
  });
});

test('a worker holds no write on any table', async () => {
  const { rows } = await db.sql.query(`
    select c.oid::regclass::text as table from pg_class as c
    where c.relnamespace::regnamespace::text in ('public', 'private', 'partitions') and c.relkind in ('r', 'p')
      and (has_any_column_privilege('mobvibe_worker', c.oid, 'insert, update')
        or has_table_privilege('mobvibe_worker', c.oid, 'delete, truncate, trigger, maintain'))`);
  expect(rows).toEqual([]);
});
