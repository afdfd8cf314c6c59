import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { claim, queueOf, register } from './support.ts';

let db: TestDatabase;
let queue: ReturnType<typeof queueOf>;
beforeAll(async () => {
  db = await createTestDatabase();
  queue = queueOf(db);
});
afterAll(() => db.drop());
beforeEach(async () => {
  await db.sql.query('delete from auth.users; delete from private.workers');
});

const call = (sql: string, ...values: unknown[]) =>
  db.asWorker(async (client) => (await client.query(sql, values)).rows);

async function failedJob(user: string): Promise<{ job: string; session: string }> {
  const session = await queue.createSession(user);
  const job = await queue.enqueue(user, session, { maxAttempts: 1 });
  await db.asWorker(async (client) => {
    await claim(client);
    await client.query(
      "select private.fail_jobs('w1', $1, array[1], array['broken'], array['It broke.'], array[true])",
      [[job]],
    );
  });
  return { job, session };
}

describe('requeue_jobs', () => {
  test('puts a failed job back at once, with attempts left and a token that was never used', async () => {
    const { job } = await failedJob(await db.createUser());
    expect(await call('select * from private.requeue_jobs($1)', [job])).toEqual([
      { job_id: job, status: 'pending' },
    ]);
    expect(await queue.job(job)).toMatchObject({
      status: 'pending',
      error_code: null,
      completed_at: null,
      worker_id: null,
    });
    const [claimed] = await db.asWorker((client) => claim(client, 'w1'));
    expect(claimed).toMatchObject({ id: job, attempt: 2 });
    expect(claimed.max_attempts).toBeGreaterThan(claimed.attempt - 1);
  });

  test('leaves alone what did not fail and what belongs to a session that ended', async () => {
    const user = await db.createUser({ tier: 'pro' });
    const { job: ended, session } = await failedJob(user);
    await db.sql.query("update public.coding_sessions set status = 'cancelled' where id = $1", [session]);
    const pending = await queue.enqueue(user, await queue.createSession(user));
    expect(await call('select * from private.requeue_jobs($1)', [ended, pending])).toEqual([]);
    expect(await queue.job(ended)).toMatchObject({ status: 'failed', error_code: 'broken' });
  });
});

describe('cancel_jobs', () => {
  test('ends pending jobs at once, asks running ones, and finds no others', async () => {
    const user = await db.createUser({ tier: 'pro' });
    const running = await queue.enqueue(user, await queue.createSession(user));
    await db.asWorker((client) => claim(client));
    const pending = await queue.enqueue(user, await queue.createSession(user));
    const { job: failed } = await (async () => {
      const other = await db.createUser();
      return failedJob(other);
    })();
    // That claim took the pending one as well.
    await db.sql.query(
      "update public.coding_jobs set status = 'pending', lease_expires_at = null, worker_id = null where id = $1",
      [pending],
    );
    const rows = await call('select * from private.cancel_jobs($1)', [running, pending, failed]);
    expect(new Map(rows.map((row) => [row.job_id, row.status]))).toEqual(
      new Map([
        [running, 'processing'],
        [pending, 'cancelled'],
      ]),
    );
    expect(await queue.job(running)).toMatchObject({ cancel_requested_at: expect.any(Date) });
  });
});

describe('append_session_events with p_after', () => {
  const append = (job: string, after: number | null, ...texts: string[]) =>
    call(
      "select private.append_session_events($1, 'w1', 1, $2, $3) as last",
      job,
      JSON.stringify(texts.map((text) => ({ type: 'message', payload: { text } }))),
      after,
    );

  test('recognises a batch whose answer was lost', async () => {
    const user = await db.createUser();
    const session = await queue.createSession(user);
    const job = await queue.enqueue(user, session);
    await db.asWorker((client) => claim(client));
    expect(await append(job, 0, 'a', 'b')).toEqual([{ last: '2' }]);
    expect(await append(job, 0, 'a', 'b')).toEqual([{ last: '2' }]);
    expect(await append(job, 2, 'c')).toEqual([{ last: '3' }]);
    const { rows } = await db.sql.query(
      "select array_agg(payload ->> 'text' order by seq) as texts from public.session_events",
    );
    expect(rows).toEqual([{ texts: ['a', 'b', 'c'] }]);
  });

  test('refuses a place that is neither the end nor this batch', async () => {
    const user = await db.createUser();
    const job = await queue.enqueue(user, await queue.createSession(user));
    await db.asWorker((client) => claim(client));
    await append(job, 0, 'a', 'b', 'c');
    await expect(append(job, 0, 'a')).rejects.toMatchObject({ code: '22023' });
    await expect(append(job, 7, 'a')).rejects.toMatchObject({ code: '22023' });
  });
});

test('fail_jobs adds what the attempt spent to the owner’s usage', async () => {
  const user = await db.createUser();
  const job = await queue.enqueue(user, await queue.createSession(user));
  await db.asWorker(async (client) => {
    await claim(client);
    await client.query(
      "select private.fail_jobs('w1', $1, array[1], array['e'], array['m'], array[true], array[70::bigint])",
      [[job]],
    );
  });
  const { rows } = await db.sql.query('select tokens_used from public.profiles where id = $1', [user]);
  expect(rows).toEqual([{ tokens_used: '70' }]);
});

test('release_jobs counts what the attempt spent, and not the attempt', async () => {
  const user = await db.createUser();
  const job = await queue.enqueue(user, await queue.createSession(user));
  await db.asWorker(async (client) => {
    await claim(client);
    await client.query("select private.release_jobs('w1', $1, array[1], array[30::bigint])", [[job]]);
  });
  const { rows } = await db.sql.query('select tokens_used from public.profiles where id = $1', [user]);
  expect(rows).toEqual([{ tokens_used: '30' }]);
  expect(await queue.job(job)).toMatchObject({ status: 'pending', attempt: 0 });
});

test('a batch with one lost lease names it, and completes none', async () => {
  const user = await db.createUser({ tier: 'pro' });
  const jobs: string[] = [];
  for (let n = 0; n < 3; n++) jobs.push(await queue.enqueue(user, await queue.createSession(user)));
  await db.asWorker(async (client) => {
    await claim(client);
    const complete = (attempts: number[]) =>
      client.query("select private.complete_jobs('w1', $1, $2, array['{}', '{}', '{}']::jsonb[])", [
        jobs,
        attempts,
      ]);
    await expect(complete([1, 2, 1])).rejects.toMatchObject({
      code: 'MV001',
      detail: JSON.stringify([jobs[1]]),
    });
    for (const job of jobs) expect(await queue.job(job)).toMatchObject({ status: 'processing' });
    await complete([1, 1, 1]);
    for (const job of jobs) expect(await queue.job(job)).toMatchObject({ status: 'completed' });
  });
});

describe('queue_stats', () => {
  test('counts the queue, the sessions and the workers', async () => {
    const user = await db.createUser({ tier: 'pro' });
    await failedJob(user);
    await queue.enqueue(user, await queue.createSession(user));
    await db.asWorker(async (client) => {
      await register(client);
      await claim(client, 'w1', 1);
    });
    await queue.enqueue(user, await queue.createSession(user));
    await queue.enqueue(user, await queue.createSession(user), { delay: '1 hour' });
    await db.sql.query(
      "update public.coding_jobs set created_at = created_at - interval '90 s', available_at = available_at - interval '90 s' where status = 'pending'",
    );
    const [stats] = await call('select * from private.queue_stats()');
    expect(stats).toMatchObject({
      pending: '2',
      due: '1',
      delayed: '1',
      processing: '1',
      failed_last_hour: '1',
      active_sessions: '2',
      live_workers: '1',
      idle_workers: '0',
    });
    expect(stats.oldest_due_seconds).toBeGreaterThanOrEqual(90);
    expect(stats.oldest_due_seconds).toBeLessThan(200);
  });

  test('is one row of zeroes in an empty database', async () => {
    const [stats] = await call('select * from private.queue_stats()');
    expect(Object.values(stats).map(Number)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe('clear_sandboxes', () => {
  const setSandbox = (job: string, id: string) =>
    call("select private.update_session($1, 'w1', 1, $2)", job, JSON.stringify({ sandbox_id: id }));
  const sandboxes = async () => {
    const { rows } = await db.sql.query(
      'select p.sandbox_id as project, s.sandbox_id as session from public.projects as p join public.coding_sessions as s on s.project_id = p.id',
    );
    return rows;
  };

  test('forgets those of ended sessions, and of their projects', async () => {
    const user = await db.createUser();
    const session = await queue.createSession(user);
    const job = await queue.enqueue(user, session);
    await db.asWorker((client) => claim(client));
    await setSandbox(job, 'fly:1');
    expect(await sandboxes()).toEqual([{ project: 'fly:1', session: 'fly:1' }]);
    expect(await call('select private.clear_sandboxes($1) as n', ['fly:1'])).toEqual([{ n: 0 }]);
    expect(await sandboxes()).toEqual([{ project: 'fly:1', session: 'fly:1' }]);
    await db.sql.query("update public.coding_sessions set status = 'cancelled' where id = $1", [session]);
    expect(await call('select private.clear_sandboxes($1) as n', ['fly:1'])).toEqual([{ n: 1 }]);
    expect(await sandboxes()).toEqual([{ project: null, session: null }]);
  });
});
