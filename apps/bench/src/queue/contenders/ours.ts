import { readFile } from 'node:fs/promises';
import { connect, type Target } from '@mobvibe/cli';
import { loginUrl } from '@mobvibe/db/connection';
import { createQueue } from '@mobvibe/worker';
import { v7 } from 'uuid';
import { drainInBatches } from './batches.ts';
import type { QueueContender } from './contender.ts';
import { openPool, vacuum } from './database.ts';

export interface OursOptions {
  target: Target;
  /** As the superuser. */
  admin: Target;
  name?: string;
  /** Leave the jobs that have ended in the table. */
  keepEnded?: boolean;
}

export interface Ours extends QueueContender {
  /** Adds a job with this id. */
  addWithId(id: string): Promise<unknown>;
  /** Says in the registry whether a worker waits for jobs: then each insert has to wake it. */
  setIdle(idle: boolean): Promise<void>;
  /** Runs `task` while changes of a job or a session are not broadcast to their owner's devices. */
  withoutBroadcasts<T>(task: () => Promise<T>): Promise<T>;
}

export interface Session {
  id: string;
  userId: string;
}

const PROMPT = 'Write a notes app.';
const LEASE_MS = 60_000;
const CONNECTIONS = 12;
const BULK = 1_000;

/** Users with open sessions; nothing else is in the database. */
export async function makeSessions(
  admin: Target,
  { users, sessions }: { users: number; sessions: number },
): Promise<void> {
  const sql = await readFile(new URL('fill.sql', import.meta.url), 'utf8');
  const client = await connect(admin);
  try {
    await client.query('begin');
    await client.query(`select set_config('bench.users', $1, true), set_config('bench.sessions', $2, true)`, [
      String(users),
      String(sessions),
    ]);
    await client.query(sql);
    await client.query('commit');
  } finally {
    await client.end();
  }
}

/** Our queue with all its rules, through the worker's own client. */
export async function openOurs({ target, admin, name = 'ours', keepEnded }: OursOptions): Promise<Ours> {
  const workerId = `bench-${v7()}`;
  const sql = await connect(admin);
  const application = openPool({
    connectionString: target.url,
    options: '-c role=service_role',
    max: 10,
  });
  const pool = openPool({ connectionString: loginUrl('mobvibe_worker', target), max: CONNECTIONS });
  const queue = createQueue(pool, workerId, LEASE_MS);
  await queue.register('bench', process.pid, '0');
  const { rows: sessions } = await sql.query<Session>(
    // One of each user in turn.
    `select id, user_id as "userId" from public.coding_sessions where status in ('pending', 'active')
     order by row_number() over (partition by user_id order by id), user_id`,
  );
  let turn = 0;
  const nextSession = () => sessions[turn++ % sessions.length] as Session;

  async function add(id: string): Promise<void> {
    const { id: sessionId, userId } = nextSession();
    // Prepared, as PostgREST does; the peers' own clients do not prepare theirs.
    await application.query({
      name: 'enqueue',
      text: 'insert into public.coding_jobs (id, user_id, session_id, prompt) values ($1, $2, $3, $4)',
      values: [id, userId, sessionId, PROMPT],
    });
  }

  async function addMany(count: number): Promise<void> {
    const jobs = Array.from({ length: count }, () => ({ id: v7(), session: nextSession() }));
    await application.query(
      `insert into public.coding_jobs (id, user_id, session_id, prompt)
       select t.id, t.user_id, t.session_id, $4 from unnest($1::uuid[], $2::uuid[], $3::uuid[])
         as t (id, user_id, session_id)`,
      [
        jobs.map(({ id }) => id),
        jobs.map(({ session }) => session.userId),
        jobs.map(({ session }) => session.id),
        PROMPT,
      ],
    );
  }

  async function countEnded(): Promise<number> {
    const { rows } = await sql.query<{ ended: number }>(
      `select count(*)::integer as ended
       from public.coding_jobs as j
       join private.job_attempts as a on a.job_id = j.id and a.attempt = j.attempt
       where j.status = 'completed' and j.attempt = 1 and a.outcome = 'completed' and j.worker_id = $1`,
      [workerId],
    );
    return rows[0]?.ended ?? 0;
  }

  const setBroadcasts = (state: 'enable' | 'disable') =>
    sql.query(
      `alter table public.coding_jobs ${state} trigger coding_jobs_broadcast_update;
       alter table public.coding_sessions ${state} trigger coding_sessions_broadcast_update;`,
    );

  return {
    name,
    url: target.url,
    atOnce: (batch) => (batch === 1 ? [1, 4, 10] : [1, 2]),
    async fill(count) {
      if (!keepEnded)
        await sql.query('truncate public.coding_jobs, public.session_events, private.job_attempts cascade');
      await sql.query('truncate realtime.messages');
      for (let left = count; left > 0; left -= BULK) await addMany(Math.min(left, BULK));
      await vacuum(sql, ['public', 'private', 'partitions']);
    },
    async drain(settings, count) {
      const before = await countEnded();
      const ms = await drainInBatches(
        {
          name,
          claim: (limit) => queue.claim(limit),
          finish: (jobs) => Promise.all(jobs.map((job) => queue.complete(job, {}))),
        },
        settings,
        count,
      );
      const ended = (await countEnded()) - before;
      if (ended !== count) throw new Error(`${name} recorded ${ended} of ${count} jobs`);
      return ms;
    },
    add: () => add(v7()),
    addWithId: add,
    addMany,
    async setIdle(idle) {
      await sql.query(
        `update private.workers set last_seen_at = now(), idle_since = case when $1 then now() end where stopped_at is null`,
        [idle],
      );
    },
    async withoutBroadcasts(task) {
      await setBroadcasts('disable');
      try {
        return await task();
      } finally {
        await setBroadcasts('enable');
      }
    },
    async close() {
      await queue.unregister();
      await Promise.all([application.end(), pool.end(), sql.end()]);
    },
  };
}
