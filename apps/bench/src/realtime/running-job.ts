import type { ClientBase, Pool } from 'pg';

/** A job that a worker holds, and the events of its session. */
export interface RunningJob {
  userId: string;
  sessionId: string;
  /** The seq of the last event appended. */
  readonly last: number;
  /** Appends so many events in one call. */
  append(events: number): Promise<void>;
}

const WORKER = 'bench-realtime';
// As long as a line of a terminal.
const TEXT = 'x'.repeat(120);

/** @param worker connections as mobvibe_worker */
export async function createRunningJob(client: ClientBase, worker: Pool): Promise<RunningJob> {
  const { rows } = await client.query<{ user_id: string; session_id: string }>(
    `with person as (
       insert into auth.users (id, email) values (gen_random_uuid(), gen_random_uuid() || '@bench.invalid') returning id
     )
     select id as user_id, gen_random_uuid() as session_id from person`,
  );
  const { user_id: userId, session_id: sessionId } = rows[0] as { user_id: string; session_id: string };
  await client.query(
    `with project as (insert into public.projects (user_id, name) values ($1, 'Bench') returning id)
     insert into public.coding_sessions (id, user_id, project_id) select $2, $1, id from project`,
    [userId, sessionId],
  );
  await client.query(
    "insert into public.coding_jobs (user_id, session_id, prompt) values ($1, $2, 'Measure')",
    [userId, sessionId],
  );
  const claimed = await worker.query<{ id: string }>(
    "select id from private.claim_jobs($1, 1, '1 day') where session_id = $2",
    [WORKER, sessionId],
  );
  const job = claimed.rows[0]?.id;
  if (!job) throw new Error('the job was not claimed');

  let last = 0;
  return {
    userId,
    sessionId,
    get last() {
      return last;
    },
    async append(events) {
      const batch = Array.from({ length: events }, () => ({ type: 'message', payload: { text: TEXT } }));
      const answer = await worker.query<{ last: string }>(
        'select private.append_session_events($1, $2, 1, $3) as last',
        [job, WORKER, JSON.stringify(batch)],
      );
      last = Number(answer.rows[0]?.last);
    },
  };
}
