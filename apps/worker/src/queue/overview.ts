import type { SessionStatus } from '@mobvibe/db';
import type pg from 'pg';
import { createOperations, type QueueStats } from './operations.ts';

export interface WorkerRow {
  id: string;
  hostname: string;
  pid: number;
  version: string;
  /** Seconds. */
  up: number;
  last_seen: number;
  jobs: number;
  /** `busy`: no free place. `silent`: not heard of for a minute. */
  state: 'idle' | 'busy' | 'silent';
}

export interface SessionOverview {
  id: string;
  status: SessionStatus;
  pending: number;
  processing: number;
  events: number;
  /** Seconds since something happened, and until it ends by itself. */
  quiet: number;
  expires: number;
}

/** What an operator sees of the queue: numbers and ids, nobody's prompts or names. */
export interface Overview {
  queue: QueueStats;
  workers: WorkerRow[];
  /** The active ones in which something happened last. */
  sessions: SessionOverview[];
}

const MOST_SESSIONS = 20;

export async function readOverview(pool: Pick<pg.Pool, 'query'>): Promise<Overview> {
  const queue = await createOperations(pool).stats();
  // Silent ones stay in sight for an hour.
  const workers = await pool.query<WorkerRow>(
    `select w.id, w.hostname, w.pid, w.version,
       extract(epoch from now() - w.started_at)::float8 as up,
       extract(epoch from now() - w.last_seen_at)::float8 as last_seen,
       coalesce(held.jobs, 0)::int as jobs,
       case
         when w.last_seen_at < now() - interval '1 minute' then 'silent'
         when w.idle_since is null then 'busy'
         else 'idle'
       end as state
     from private.workers as w
     left join (
       select worker_id, count(*) as jobs from public.coding_jobs where status = 'processing' group by worker_id
     ) as held on held.worker_id = w.id
     where w.stopped_at is null and (w.last_seen_at > now() - interval '1 hour' or held.jobs > 0)
     order by w.started_at, w.id`,
  );
  const sessions = await pool.query<SessionOverview>(
    `select s.id, s.status, coalesce(open.pending, 0)::int as pending, coalesce(open.processing, 0)::int as processing,
       s.last_event_seq::float8 as events,
       extract(epoch from now() - s.last_activity_at)::float8 as quiet,
       extract(epoch from s.expires_at - now())::float8 as expires
     from public.coding_sessions as s
     left join lateral (
       select count(*) filter (where j.status = 'pending') as pending,
         count(*) filter (where j.status = 'processing') as processing
       from public.coding_jobs as j
       where j.session_id = s.id and j.user_id = s.user_id and j.status in ('pending', 'processing')
     ) as open on true
     where s.status = 'active'
     order by s.last_activity_at desc nulls last
     limit $1`,
    [MOST_SESSIONS],
  );
  return { queue, workers: workers.rows, sessions: sessions.rows };
}
