import { loginUrl } from '@mobvibe/db/connection';
import pg from 'pg';
import { retryConnection } from '../../apps/worker/src/queue/retry.ts';
import type { Plan, PlannedJob, Step } from './plan.ts';

/** The users: all they do, they do under row-level security, and again when its answer was lost. */
export interface Users {
  /** What users do at the beginning of a step. Resolves when the database has confirmed all of it. */
  act(step: Step): Promise<void>;
  close(): Promise<void>;
}

/** Signs the users of a plan up and opens their sessions. */
export async function createUsers(url: string, plan: Plan): Promise<Users> {
  const pool = new pg.Pool({ connectionString: loginUrl('mobvibe_app', { url }), max: 6 });
  pool.on('error', () => {});

  function asUser(userId: string, sql: string, values: unknown[]): Promise<void> {
    // All of it may be repeated: ids come from the client.
    return retryConnection(
      async () => {
        const client = await pool.connect();
        try {
          await client.query('begin');
          await client.query(
            "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
            [JSON.stringify({ sub: userId, role: 'authenticated' })],
          );
          await client.query(sql, values);
          await client.query('commit');
          client.release();
        } catch (error) {
          client.release(true);
          throw error;
        }
      },
      () => true,
    );
  }

  const openSessions = (userId: string, projectId: string, ids: string[]) =>
    asUser(
      userId,
      `insert into public.coding_sessions (id, project_id) select id, $1 from unnest($2::uuid[]) as id
       on conflict (id) do nothing`,
      [projectId, ids],
    );

  await signUp(url, plan);
  for (const { id, projectId, sessions } of plan.users) {
    await asUser(id, "insert into public.projects (id, name) values ($1, 'App')", [projectId]);
    await openSessions(id, projectId, sessions);
  }

  return {
    async act({ jobs, cancel, replace }) {
      const byUser = new Map<string, PlannedJob[]>();
      for (const job of jobs) byUser.set(job.userId, [...(byUser.get(job.userId) ?? []), job]);
      await Promise.all(
        [...byUser].map(([userId, own]) =>
          asUser(
            userId,
            `insert into public.coding_jobs (id, session_id, prompt, priority)
             select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::smallint[])
             on conflict (id) do nothing`,
            [
              own.map((job) => job.id),
              own.map((job) => job.sessionId),
              own.map((job) => JSON.stringify(job.work)),
              own.map((job) => job.priority),
            ],
          ),
        ),
      );
      await Promise.all(
        cancel.map(({ userId, jobId }) =>
          asUser(userId, 'update public.coding_jobs set cancel_requested_at = now() where id = $1', [jobId]),
        ),
      );
      if (!replace) return;
      const { userId, projectId, ended, opened } = replace;
      await asUser(
        userId,
        `update public.coding_sessions set status = 'cancelled' where id = $1 and status in ('pending', 'active')`,
        [ended],
      );
      await openSessions(userId, projectId, [opened]);
    },
    close: () => pool.end(),
  };
}

async function signUp(url: string, { users }: Plan): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(
      `insert into auth.users (id, instance_id, aud, role, email, created_at, updated_at)
       select id, '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', id || '@example.com',
         now(), now()
       from unnest($1::uuid[]) as id`,
      [users.map(({ id }) => id)],
    );
    await client.query(
      `update public.profiles as u set tier = t.tier::public.tier
       from unnest($1::uuid[], $2::text[]) as t (id, tier) where u.id = t.id`,
      [users.map(({ id }) => id), users.map(({ tier }) => tier)],
    );
  } finally {
    await client.end();
  }
}
