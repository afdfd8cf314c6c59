import type { Rows } from '../../rows.ts';
import type { Chunk } from './chunks.ts';

/** A table that COPY fills, and how the rows of a data set are found in it again. */
export interface BulkTable {
  /** As in SQL. */
  name: string;
  rows: keyof Rows;
  /** Which rows of it users own, $1 being their ids; undefined: none. */
  ofUsers?: string;
  /** Selects the column `key` of those rows that are there: the columns `keyColumns`, with a slash in between. */
  find: string;
  values(rows: Chunk['rows']): unknown[];
  /** Their places among the columns. */
  keyColumns: readonly number[];
}

const OF_USERS = 'user_id = any ($1::uuid[])';
// An array and no join: of a table that was just filled the planner may know that it was empty, and would read all of
// the other one for each of its rows.
const idsIn = (table: string): string => `any (array(select id from ${table} where ${OF_USERS}))`;

/** In the order of the foreign keys. */
export const bulkTables: BulkTable[] = [
  byId('private.workers', 'workers', 'text'),
  { ...byId('auth.users', 'users', 'uuid'), ofUsers: 'id = any ($1::uuid[])' },
  byId('auth.identities', 'identities', 'uuid'),
  { ...byId('public.profiles', 'profiles', 'uuid'), ofUsers: 'id = any ($1::uuid[])' },
  byId('public.projects', 'projects', 'uuid'),
  byId('public.coding_sessions', 'sessions', 'uuid'),
  byId('public.coding_jobs', 'jobs', 'uuid'),
  {
    name: 'private.job_attempts',
    rows: 'attempts',
    ofUsers: `job_id = ${idsIn('public.coding_jobs')}`,
    find: `select a.job_id || '/' || a.attempt as key
      from unnest($1::uuid[], $2::uuid[], $3::integer[]) as k (job_id, user_id, attempt)
      join private.job_attempts as a using (job_id, user_id, attempt)`,
    values: ({ attempts }) => [
      attempts.map((row) => row.jobId),
      attempts.map((row) => row.userId),
      attempts.map((row) => row.attempt),
    ],
    keyColumns: [0, 2],
  },
  {
    name: 'public.session_events',
    rows: 'events',
    ofUsers: `session_id = ${idsIn('public.coding_sessions')}`,
    // Session by session, over its index; the times leave out the months that it does not touch.
    find: `select s.id || '/' || e.seq as key
      from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[])
        as s (id, user_id, last_seq, began, ended)
      cross join lateral (
        select e.seq from public.session_events as e
        where e.session_id = s.id and e.user_id = s.user_id and e.seq <= s.last_seq
          and e.created_at between s.began and s.ended
      ) as e`,
    values: ({ sessions }) => {
      const told = sessions.filter((row) => row.lastEventSeq > 0n);
      return [
        told.map((row) => row.id),
        told.map((row) => row.userId),
        told.map((row) => String(row.lastEventSeq)),
        told.map((row) => row.createdAt),
        told.map((row) => row.lastActivityAt),
      ];
    },
    keyColumns: [0, 2],
  },
];

export type Counts = Record<keyof Rows, number>;

export const countsOf = (count: (table: BulkTable) => number): Counts =>
  Object.fromEntries(bulkTables.map((one) => [one.rows, count(one)])) as Counts;

function byId(
  name: string,
  rows: 'workers' | 'users' | 'identities' | 'profiles' | 'projects' | 'sessions' | 'jobs',
  type: 'uuid' | 'text',
): BulkTable {
  return {
    name,
    rows,
    ...(rows !== 'workers' && { ofUsers: OF_USERS }),
    find: `select id::text as key from ${name} where id = any ($1::${type}[])`,
    values: (all) => [all[rows].map(({ id }) => id)],
    keyColumns: [0],
  };
}
