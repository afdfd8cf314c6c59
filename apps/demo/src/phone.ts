import { randomUUID } from 'node:crypto';
import { loginUrl } from '@mobvibe/db';
import pg from 'pg';

/** An event as the phone receives it. */
export interface PhoneEvent {
  seq: string;
  type: string;
  payload: Record<string, unknown>;
}

/** What a signed-in user can do from the phone; row-level security decides on every statement. */
export interface Phone {
  createProject(name: string): Promise<string>;
  openSession(projectId: string): Promise<string>;
  enqueue(sessionId: string, prompt: string): Promise<string>;
  eventsSince(sessionId: string, seq: string): Promise<PhoneEvent[]>;
  job(
    id: string,
  ): Promise<{ status: string; error_message: string | null; result: Record<string, unknown> | null }>;
  cancelOpenSessions(): Promise<void>;
  countRows(table: string): Promise<number>;
  hangUp(): Promise<void>;
}

/**
 * The phone's side of the walk: a connection as mobvibe_app, turned into the user for each statement, as the Data
 * API does it.
 */
export async function openPhone(databaseUrl: string, userId: string): Promise<Phone> {
  const client = new pg.Client({ connectionString: loginUrl('mobvibe_app', { url: databaseUrl }) });
  await client.connect();
  const claims = JSON.stringify({ sub: userId, role: 'authenticated' });

  // One statement after the other: the connection is shared.
  let last: Promise<unknown> = Promise.resolve();
  const ask = <Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> => {
    const answer = last.then(() => asUser<Row>(sql, values));
    last = answer.catch(() => {});
    return answer;
  };
  async function asUser<Row extends pg.QueryResultRow>(sql: string, values: unknown[]): Promise<Row[]> {
    try {
      await client.query('begin');
      await client.query(
        "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
        [claims],
      );
      const { rows } = await client.query<Row>(sql, values);
      await client.query('commit');
      return rows;
    } catch (error) {
      await client.query('rollback').catch(() => {});
      throw error;
    }
  }
  const create = async (sql: string, values: unknown[]): Promise<string> => {
    const id = randomUUID();
    await ask(sql, [id, ...values]);
    return id;
  };

  return {
    createProject: (name) => create('insert into public.projects (id, name) values ($1, $2)', [name]),
    openSession: (projectId) =>
      create('insert into public.coding_sessions (id, project_id) values ($1, $2)', [projectId]),
    enqueue: (sessionId, prompt) =>
      create('insert into public.coding_jobs (id, session_id, prompt, priority) values ($1, $2, $3, 20)', [
        sessionId,
        prompt,
      ]),
    eventsSince: (sessionId, seq) =>
      ask<PhoneEvent & pg.QueryResultRow>('select seq, type, payload from public.events_since($1, $2)', [
        sessionId,
        seq,
      ]),
    job: async (id) => {
      const [row] = await ask<{
        status: string;
        error_message: string | null;
        result: Record<string, unknown> | null;
      }>('select status, error_message, result from public.coding_jobs where id = $1', [id]);
      if (!row) throw new Error('the job is gone');
      return row;
    },
    cancelOpenSessions: async () => {
      await ask(
        "update public.coding_sessions set status = 'cancelled' where status in ('pending', 'active')",
      );
    },
    countRows: async (table) => {
      const [row] = await ask<{ count: number }>(
        `select count(*)::int as count from public.${pg.escapeIdentifier(table)}`,
      );
      return row?.count ?? 0;
    },
    hangUp: () => client.end(),
  };
}
