import type pg from 'pg';
import { type Asker, commonQueries } from '../core/common-queries.ts';

/** What is asked again and again, with what one database has at hand for it. */
export interface Prepared {
  askers: Asker[];
  /** A job that this worker holds. */
  held: { id: string; attempt: number; workerId: string };
  /** Where a phone is that has seen everything. */
  cursor: string;
}

export interface Operation {
  name: string;
  /** Who asks: a signed-in user under row-level security, or a worker. */
  as: 'authenticated' | 'mobvibe_worker';
  query(prepared: Prepared, asker: Asker): pg.QueryConfig;
  /** Of the four for which the design names a limit. */
  isCommon?: true;
}

const events = (count: number) =>
  JSON.stringify(
    Array.from({ length: count }, (_, n) => ({ type: 'terminal', payload: { text: `line ${n}`, n } })),
  );

/** Each leaves no trace: it is rolled back. */
export const operations: Operation[] = [
  ...commonQueries.map(
    ({ name, sql, values }): Operation => ({
      name,
      as: 'authenticated',
      query: (_, asker) => ({ text: sql(''), values: values(asker) }),
      isCommon: true,
    }),
  ),
  {
    name: 'events_since',
    as: 'authenticated',
    query: (_, { sessionId }) => ({
      text: 'select * from public.events_since($1, 10, 100)',
      values: [sessionId],
    }),
  },
  {
    name: 'sync_changes, from the beginning',
    as: 'authenticated',
    query: () => ({ text: 'select public.sync_changes()' }),
  },
  {
    name: 'sync_changes, nothing new',
    as: 'authenticated',
    query: ({ cursor }) => ({ text: 'select public.sync_changes($1)', values: [cursor] }),
  },
  {
    name: 'a new project',
    as: 'authenticated',
    query: () => ({ text: `insert into public.projects (name) values ('App')` }),
  },
  {
    name: 'a new job',
    as: 'authenticated',
    query: (_, { sessionId }) => ({
      text: 'insert into public.coding_jobs (session_id, prompt) values ($1, $2)',
      values: [sessionId, 'Write a notes app.'],
    }),
  },
  {
    name: 'claim_jobs, 10 at once',
    as: 'mobvibe_worker',
    query: ({ held: { workerId } }) => ({
      text: `select * from private.claim_jobs($1, 10, interval '1 minute')`,
      values: [workerId],
    }),
  },
  {
    name: 'append_session_events, 10 at once',
    as: 'mobvibe_worker',
    query: ({ held }) => ({
      text: 'select private.append_session_events($1, $2, $3, $4)',
      values: [held.id, held.workerId, held.attempt, events(10)],
    }),
  },
];

/** Runs one operation as whoever asks, and takes it back. @returns its rows, and how many ms it took. */
export async function runOnce<Row>(
  client: pg.ClientBase,
  { as, query }: Operation,
  prepared: Prepared,
  asker: Asker,
): Promise<{ rows: Row[]; ms: number }> {
  await client.query('begin');
  try {
    await client.query(`select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)`, [
      as,
      as === 'authenticated' ? JSON.stringify({ sub: asker.id, role: as }) : '',
    ]);
    const asked = query(prepared, asker);
    const started = performance.now();
    const { rows } = await client.query<Row & pg.QueryResultRow>(asked);
    return { rows, ms: performance.now() - started };
  } finally {
    await client.query('rollback');
  }
}
