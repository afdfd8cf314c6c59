import type { JobStatus } from '@mobvibe/db';
import type pg from 'pg';

/** The queue at one moment. */
export interface QueueStats {
  pending: number;
  /** Pending, and their time has come. */
  due: number;
  /** Pending, and wait for their time. */
  delayed: number;
  processing: number;
  failed_last_hour: number;
  oldest_due_seconds: number;
  active_sessions: number;
  live_workers: number;
  /** Live, and with a free place. */
  idle_workers: number;
}

export interface JobChange {
  id: string;
  status: JobStatus;
}

/** What an operator does to the queue: nothing here needs a lease. */
export interface Operations {
  stats(): Promise<QueueStats>;
  /** Failed jobs, of the last `seconds` where given. */
  failedJobs(seconds?: number): Promise<string[]>;
  /** Puts failed jobs of open sessions back into the queue. @returns those it did. */
  requeue(jobIds: string[]): Promise<JobChange[]>;
  /** Cancels pending jobs, asks to cancel running ones. @returns those it found open. */
  cancel(jobIds: string[]): Promise<JobChange[]>;
  /** Takes back jobs whose lease ran out. @returns how many. */
  reapExpiredJobs(): Promise<number>;
  /** Ends sessions whose time is up. @returns how many. */
  expireSessions(): Promise<number>;
  /** Makes the partitions of session_events for the months to come. @returns how many it made. */
  extendEventPartitions(): Promise<number>;
}

export function createOperations(pool: Pick<pg.Pool, 'query'>): Operations {
  async function count(sql: string): Promise<number> {
    const { rows } = await pool.query<{ count: number }>(sql);
    return rows[0]?.count ?? 0;
  }
  async function change(sql: string, jobIds: string[]): Promise<JobChange[]> {
    return (await pool.query<JobChange>(sql, [jobIds])).rows;
  }

  return {
    async stats() {
      const { rows } = await pool.query<Record<keyof QueueStats, string | number>>(
        'select * from private.queue_stats()',
      );
      // bigint comes as text.
      const numbers = Object.entries(rows[0] ?? {}).map(([name, value]) => [name, Number(value)]);
      return Object.fromEntries(numbers) as QueueStats;
    },
    async failedJobs(seconds) {
      const { rows } = await pool.query<{ id: string }>(
        `select id from public.coding_jobs
         where status = 'failed' and completed_at > coalesce(now() - make_interval(secs => $1), '-infinity')
         order by completed_at`,
        [seconds],
      );
      return rows.map(({ id }) => id);
    },
    requeue: (ids) => change('select job_id as id, status from private.requeue_jobs($1)', ids),
    cancel: (ids) => change('select job_id as id, status from private.cancel_jobs($1)', ids),
    reapExpiredJobs: () => count('select private.reap_expired_jobs() as count'),
    expireSessions: () => count('select private.expire_sessions() as count'),
    extendEventPartitions: () => count('select private.extend_event_partitions() as count'),
  };
}
