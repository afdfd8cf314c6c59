import { loginUrl } from '@mobvibe/db/connection';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { claim, ids, queueOf } from './support.ts';

let db: TestDatabase;
let queue: ReturnType<typeof queueOf>;
beforeAll(async () => {
  db = await createTestDatabase();
  queue = queueOf(db);
});
afterAll(() => db.drop());
beforeEach(async () => {
  await db.sql.query('delete from auth.users');
});

/** `jobs` jobs for each of `sessions` sessions of `users` users, in the order of sessions. */
async function fill({ users = 1, tier = 'enterprise', sessions = 1, jobs = 1 }): Promise<void> {
  await db.sql.query(
    `insert into auth.users (id, email) select gen_random_uuid(), gen_random_uuid() || '@example.com' from generate_series(1, $1)`,
    [users],
  );
  await db.sql.query('update public.profiles set tier = $1::public.tier', [tier]);
  await db.sql.query("insert into public.projects (user_id, name) select id, 'App' from public.profiles");
  await db.sql.query(
    'insert into public.coding_sessions (user_id, project_id) select user_id, id from public.projects, generate_series(1, $1)',
    [sessions],
  );
  await db.sql.query(
    `insert into public.coding_jobs (user_id, session_id, prompt, created_at)
     select s.user_id, s.id, 'x', now() + interval '1 ms' * row_number() over (order by s.id, n)
     from public.coding_sessions as s, generate_series(1, $1) as n`,
    [jobs],
  );
}

test('takes no more than asked for, whatever the statistics say', async () => {
  // The planner believes the queue empty, which makes it run a sub-select with a limit once a row.
  await db.sql.query('analyze public.coding_jobs');
  await fill({ users: 20, sessions: 20 });
  expect(await db.asWorker((client) => claim(client, 'w1', 5))).toHaveLength(5);
  await db.sql.query('analyze public.coding_jobs');
  expect(await db.asWorker((client) => claim(client, 'w1', 5))).toHaveLength(5);
});

test('finds a job behind a thousand that must wait for their session', async () => {
  await fill({ jobs: 1000 });
  const user = await db.createUser();
  const behind = await queue.enqueue(user, await queue.createSession(user));
  await db.sql.query("update public.coding_jobs set created_at = now() + interval '1 hour' where id = $1", [
    behind,
  ]);
  const claimed = await db.asWorker((client) => claim(client, 'w1', 2));
  expect(claimed).toHaveLength(2);
  expect(ids(claimed)[1]).toBe(behind);
});

test('finds a job behind those of a user who may run no more', async () => {
  await fill({ tier: 'pro', sessions: 10, jobs: 30 });
  const user = await db.createUser();
  const behind = await queue.enqueue(user, await queue.createSession(user));
  await db.sql.query("update public.coding_jobs set created_at = now() + interval '1 hour' where id = $1", [
    behind,
  ]);
  const claimed = await db.asWorker((client) => claim(client, 'w1', 10));
  expect(claimed).toHaveLength(4);
  expect(ids(claimed).at(-1)).toBe(behind);
});

test('passes over the jobs of a user whose profile is locked, without waiting', async () => {
  await fill({ users: 2 });
  const holder = new pg.Client({ connectionString: db.url });
  await holder.connect();
  try {
    await holder.query('begin');
    const { rows } = await holder.query('select id from public.profiles order by id limit 1 for update');
    const claimed = await db.asWorker(async (client) => {
      await client.query("set lock_timeout = '2s'");
      return claim(client);
    });
    expect(claimed).toHaveLength(1);
    expect(claimed[0].user_id).not.toBe(rows[0].id);
  } finally {
    await holder.end();
  }
});

test('twelve workers at once empty a queue of many sessions, breaking no rule', async () => {
  await fill({ users: 12, tier: 'pro', sessions: 5, jobs: 4 });
  const clients = Array.from(
    { length: 12 },
    () => new pg.Client({ connectionString: loginUrl('mobvibe_worker', { url: db.url }) }),
  );
  const running = { sessions: new Map<string, string>(), users: new Map<string, number>() };
  const seen = new Map<string, number>();
  try {
    await Promise.all(
      clients.map(async (client, n) => {
        await client.connect();
        for (let empty = 0; empty < 20; ) {
          const jobs = await claim(client, `w${n}`, 4);
          empty = jobs.length === 0 ? empty + 1 : 0;
          // From the answer to the call that ends the job, it is surely running.
          for (const job of jobs) {
            seen.set(job.id, (seen.get(job.id) ?? 0) + 1);
            expect(running.sessions.has(job.session_id)).toBe(false);
            running.sessions.set(job.session_id, job.id);
            running.users.set(job.user_id, (running.users.get(job.user_id) ?? 0) + 1);
            expect(running.users.get(job.user_id)).toBeLessThanOrEqual(3);
          }
          for (const job of jobs) {
            running.sessions.delete(job.session_id);
            running.users.set(job.user_id, (running.users.get(job.user_id) ?? 0) - 1);
          }
          if (jobs.length > 0)
            await client.query('select private.complete_jobs($1, $2, $3, $4)', [
              `w${n}`,
              ids(jobs),
              jobs.map((job) => job.attempt),
              jobs.map(() => '{}'),
            ]);
        }
      }),
    );
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
  const { rows } = await db.sql.query('select status, count(*)::int from public.coding_jobs group by status');
  expect(rows).toEqual([{ status: 'completed', count: 240 }]);
  expect([...seen.values()].every((times) => times === 1)).toBe(true);
  expect(seen.size).toBe(240);
});

test('writes to an active session only when half of its time is over', async () => {
  const user = await db.createUser();
  const session = await queue.createSession(user);
  async function expiresAfterClaim(left: string): Promise<{ before: Date; after: Date }> {
    await queue.enqueue(user, session);
    await db.sql.query(
      `update public.coding_sessions as s set status = 'active', expires_at = now() + l.session_ttl * $2::float8
       from private.tier_limits as l where s.id = $1 and l.tier = 'free'`,
      [session, left],
    );
    const { expires_at: before } = await queue.session(session);
    const [job] = await db.asWorker((client) => claim(client));
    await db.asWorker((client) =>
      client.query("select private.complete_jobs('w1', $1, $2, '{null}')", [[job.id], [job.attempt]]),
    );
    return { before, after: (await queue.session(session)).expires_at };
  }
  const early = await expiresAfterClaim('0.6');
  expect(early.after).toEqual(early.before);
  const late = await expiresAfterClaim('0.4');
  expect(late.after.getTime()).toBeGreaterThan(late.before.getTime());
});

test('many sessions that sleep are woken by one claim', async () => {
  await fill({ users: 30, sessions: 3 });
  const claimed = await db.asWorker((client) => claim(client, 'w1', 90));
  expect(claimed).toHaveLength(90);
  const { rows } = await db.sql.query(
    "select count(*)::integer as active from public.coding_sessions where status = 'active' and expires_at > now()",
  );
  expect(rows).toEqual([{ active: 90 }]);
});
