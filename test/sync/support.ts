import type { ClientBase } from 'pg';
import type { Changes } from '../../packages/sync/src/index.ts';
import type { TestDatabase } from '../harness/database.ts';

export type Page = Changes & { more: boolean };

/** One call of sync_changes as that user. */
export const syncPage = (
  db: TestDatabase,
  user: string,
  cursor: string | null = null,
  limit = 500,
): Promise<Page> =>
  db.asUser(user, async (client) => {
    const { rows } = await client.query('select public.sync_changes($1, $2) as page', [cursor, limit]);
    return rows[0].page;
  });

/** What was broadcast on a topic, oldest first. */
export async function broadcasts(
  client: ClientBase,
  topic: string,
): Promise<{ event: string; payload: Record<string, unknown> }[]> {
  const { rows } = await client.query(
    `select event, payload from realtime.messages
     where topic = $1 and private and extension = 'broadcast' order by inserted_at, id`,
    [topic],
  );
  return rows;
}

/** A session of that user with jobs in it, made as the user makes them. */
export async function createWork(db: TestDatabase, user: string, jobs = 1) {
  return db.asUser(user, async (client) => {
    const one = async (sql: string, ...values: unknown[]): Promise<string> =>
      (await client.query(sql, values)).rows[0].id;
    const project = await one(`insert into public.projects (name) values ('App') returning id`);
    const session = await one(
      'insert into public.coding_sessions (project_id) values ($1) returning id',
      project,
    );
    const jobIds: string[] = [];
    for (let index = 0; index < jobs; index++) {
      jobIds.push(
        await one(
          `insert into public.coding_jobs (session_id, prompt) values ($1, 'A list of notes') returning id`,
          session,
        ),
      );
    }
    return { project, session, jobs: jobIds, job: jobIds[0] as string };
  });
}

/** Work with one job that w1 has claimed. */
export async function createRunningWork(db: TestDatabase, user: string) {
  const work = await createWork(db, user);
  await db.asWorker((client) => client.query(`select from private.claim_jobs('w1', 1000, '1 hour')`));
  return work;
}

export const append = (client: ClientBase, job: string, events: object[]) =>
  client.query(`select private.append_session_events($1, 'w1', 1, $2)`, [job, JSON.stringify(events)]);
