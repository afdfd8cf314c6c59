import { randomUUID } from 'node:crypto';
import type { Client, ClientBase } from 'pg';
import type { TestDatabase } from '../harness/database.ts';

/** The queue of one test database, in the words of the tests. */
export function queueOf(db: TestDatabase) {
  return {
    /** A session in a project of its own. */
    async createSession(user: string): Promise<string> {
      return db.asUser(user, async (client) => {
        const project = randomUUID();
        await client.query("insert into public.projects (id, name) values ($1, 'App')", [project]);
        const { rows } = await client.query(
          'insert into public.coding_sessions (project_id) values ($1) returning id',
          [project],
        );
        return rows[0].id as string;
      });
    },
    async enqueue(
      user: string,
      session: string,
      { priority = 0, delay = '0', maxAttempts = 3 } = {},
    ): Promise<string> {
      const { rows } = await db.sql.query(
        `insert into public.coding_jobs (user_id, session_id, prompt, priority, available_at, max_attempts)
         values ($1, $2, 'A list of notes', $3, now() + $4::interval, $5) returning id`,
        [user, session, priority, delay, maxAttempts],
      );
      return rows[0].id;
    },
    async job(id: string) {
      const { rows } = await db.sql.query('select * from public.coding_jobs where id = $1', [id]);
      return rows[0];
    },
    async session(id: string) {
      const { rows } = await db.sql.query('select * from public.coding_sessions where id = $1', [id]);
      return rows[0];
    },
  };
}

export async function claim(client: Client | ClientBase, worker = 'w1', limit = 10, lease = '1 minute') {
  const { rows } = await client.query('select * from private.claim_jobs($1, $2, $3)', [worker, limit, lease]);
  return rows;
}

export const register = (client: ClientBase, worker = 'w1') =>
  client.query("select private.register_worker($1, 'host', 1, '0.1.0')", [worker]);

export const ids = (rows: { id: string }[]): string[] => rows.map((row) => row.id);
