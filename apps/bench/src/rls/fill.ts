import { readFile } from 'node:fs/promises';
import { step, withConnection } from '@mobvibe/cli';
import type pg from 'pg';
import type { BenchServer } from '../core/server.ts';

export interface Scale {
  users: number;
  /** Events a session, on average; a user has 10 sessions. */
  events: number;
}

/** A user of the sample, with what is asked for on their behalf. */
export interface Person {
  id: string;
  projectId: string;
  /** The open one, which has the most events. */
  sessionId: string;
}

const TABLES = ['projects', 'coding_sessions', 'coding_jobs', 'session_events'];

/** Fills the database with users and their rows; with statistics, as autovacuum would make them. */
export async function fill({ target, admin }: BenchServer, { users, events }: Scale): Promise<void> {
  const sql = await readFile(new URL('fill.sql', import.meta.url), 'utf8');
  await step(`${users.toLocaleString('en')} users and what they own`, async () => {
    await withConnection(target, async (client) => {
      await empty(client);
      await client.query(`select private.ensure_event_partitions(now() - interval '61 days', now())`);
    });
    await withConnection(admin ?? target, async (client) => {
      await client.query('begin');
      await client.query(`select set_config('bench.users', $1, true), set_config('bench.events', $2, true)`, [
        String(users),
        String(events),
      ]);
      await client.query(sql);
      await client.query('commit');
      await client.query(`vacuum (analyze) ${TABLES.map((table) => `public.${table}`).join(', ')}`);
      if (admin) await client.query('checkpoint');
    });
  });
}

/** Removes what `fill` wrote, also what a killed run left. */
export async function empty(client: pg.ClientBase): Promise<void> {
  await client.query(`delete from auth.users where email like '%@bench.invalid'`);
}

export async function people(client: pg.ClientBase): Promise<Person[]> {
  const { rows } = await client.query<Person>(
    `select s.user_id as id, s.project_id as "projectId", s.id as "sessionId"
     from public.coding_sessions as s
     join auth.users as u on u.id = s.user_id
     where s.status = 'active' and u.email like '%@bench.invalid'
     order by s.user_id`,
  );
  return rows;
}

export async function countRows(client: pg.ClientBase): Promise<Record<string, number>> {
  const { rows } = await client.query(
    `select ${TABLES.map((table) => `(select count(*)::integer from public.${table}) as ${table}`).join(', ')}`,
  );
  return rows[0];
}
