import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loginUrl } from '@mobvibe/db/connection';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { queueOf } from '../queue/support.ts';
import { GATE, type Machine, startMachine } from './machines.ts';

const PATIENCE = { timeout: 60_000, interval: 50 };

let db: TestDatabase;
let directory: string;
let url: string;
const running: Machine[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
  url = loginUrl('mobvibe_worker', { url: db.url });
  directory = await mkdtemp(join(tmpdir(), 'machines-'));
});
afterAll(async () => {
  await Promise.all(running.map((machine) => machine.stop()));
  await db?.drop();
  if (directory) await rm(directory, { recursive: true, force: true });
});

async function start(name: string, data?: string): Promise<Machine> {
  const machine = await startMachine(directory, name, url, data);
  running.push(machine);
  return machine;
}

const enqueue = async (user: string, session: string, prompt: string) => {
  const { rows } = await db.sql.query(
    'insert into public.coding_jobs (user_id, session_id, prompt) values ($1, $2, $3) returning id',
    [user, session, prompt],
  );
  return rows[0].id as string;
};

describe('workers that share nothing but the database', () => {
  const names = ['berlin', 'lima', 'osaka'];

  test('spread the jobs, and keep the jobs of a session apart', { timeout: 120_000 }, async () => {
    await db.sql.query('select pg_advisory_lock($1)', [GATE]);
    for (let n = 0; n < 6; n++) {
      const user = await db.createUser({ tier: 'pro' });
      const session = await queueOf(db).createSession(user);
      for (let job = 0; job < 3; job++) await enqueue(user, session, 'wait');
    }
    const machines = await Promise.all(names.map((name) => start(name)));
    // Each has one at work before any can go on.
    await vi.waitFor(async () => {
      const { rows } = await db.sql.query(
        `select w.hostname from public.coding_jobs as j join private.workers as w on w.id = j.worker_id
         where j.status = 'processing' order by w.hostname`,
      );
      expect(rows.map(({ hostname }) => hostname)).toEqual(names);
    }, PATIENCE);
    await db.sql.query('select pg_advisory_unlock($1)', [GATE]);
    await vi.waitFor(async () => {
      const { rows } = await db.sql.query(
        "select count(*)::int as open from public.coding_jobs where status in ('pending', 'processing')",
      );
      expect(rows).toEqual([{ open: 0 }]);
    }, PATIENCE);
    await Promise.all(machines.map((machine) => machine.stop()));

    const { rows } = await db.sql.query(`
      select
        count(*)::int as attempts,
        count(distinct a.job_id)::int as jobs,
        count(distinct w.hostname)::int as machines,
        count(*) filter (where a.outcome <> 'completed')::int as others,
        count(*) filter (where a.next_started_at < a.ended_at)::int as overlapping
      from (
        select a.*, lead(a.started_at) over (partition by j.session_id order by a.started_at) as next_started_at
        from private.job_attempts as a join public.coding_jobs as j on j.id = a.job_id
      ) as a
      join private.workers as w on w.id = a.worker_id`);
    expect(rows).toEqual([{ attempts: 18, jobs: 18, machines: 3, others: 0, overlapping: 0 }]);
  });

  // What is written here is what docs/SCALING.md says of the local provider: change both.
  test('do not share a session’s files, unless they share the disk', { timeout: 120_000 }, async () => {
    const user = await db.createUser({ tier: 'pro' });
    const session = await queueOf(db).createSession(user);
    const foundOn = async (machine: Machine): Promise<string> => {
      const job = await enqueue(user, session, 'go');
      await vi.waitFor(async () => {
        expect(await queueOf(db).job(job)).toMatchObject({ status: 'completed' });
      }, PATIENCE);
      await machine.stop();
      return (await queueOf(db).job(job)).result.summary.trim();
    };
    const sandboxId = async () => (await queueOf(db).session(session)).sandbox_id;
    const first = await start('first');
    expect(await foundOn(first)).toBe('');
    const id = await sandboxId();
    expect(await foundOn(await start('second'))).toBe('');
    // By which Storage keeps what is not here.
    expect(await sandboxId()).not.toBe(id);
    expect(await foundOn(await start('third', first.data))).toBe('first');
    expect(await sandboxId()).toBe(id);
  });
});
