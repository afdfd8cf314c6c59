import type { CodingJob, CodingSession, JobStatus, Tier } from '@mobvibe/db';
import type pg from 'pg';

/** A job this worker holds. `attempt` and the worker's id are the fencing token of every write. */
export type ClaimedJob = Pick<CodingJob, 'id' | 'sessionId' | 'prompt' | 'attempt' | 'maxAttempts'>;

/** What running a job needs to know of its session. */
export type JobSession = Pick<CodingSession, 'id' | 'webviewUrl'> & {
  metadata: Record<string, unknown>;
  projectName: string;
  projectTemplate: string;
  tier: Tier;
};

export interface SessionUpdate {
  sandbox_id?: string;
  webview_url?: string;
  eas_update_url?: string;
  /** Merged into what is there, key by key. */
  metadata?: Record<string, unknown>;
}

export interface Failure {
  code: string;
  /** One line that the job's owner may read. */
  message: string;
  retryable: boolean;
}

export interface Heartbeat {
  jobId: string;
  held: boolean;
  cancel: boolean;
}

/**
 * The queue as one worker sees it: a typed function for each SQL function. Every write names the job and its
 * attempt; once the lease is lost each of them throws an error for which `isLeaseLost` holds, and changes nothing.
 */
export interface Queue {
  register(hostname: string, pid: number, version: string): Promise<void>;
  claim(limit: number): Promise<ClaimedJob[]>;
  heartbeat(jobs: ClaimedJob[]): Promise<Heartbeat[]>;
  complete(job: ClaimedJob, result: object): Promise<void>;
  /** @returns `pending` when the job will be tried again. */
  fail(job: ClaimedJob, failure: Failure): Promise<JobStatus>;
  release(job: ClaimedJob): Promise<void>;
  appendEvents(job: ClaimedJob, events: { type: string; payload: object }[]): Promise<void>;
  updateSession(job: ClaimedJob, update: SessionUpdate): Promise<void>;
  readSession(job: ClaimedJob): Promise<JobSession>;
  reapExpiredJobs(): Promise<number>;
  expireSessions(): Promise<number>;
}

export function createQueue(pool: pg.Pool, workerId: string, leaseMs: number): Queue {
  const lease = `${leaseMs} milliseconds`;

  async function count(sql: string): Promise<number> {
    const { rows } = await pool.query<{ count: number }>(sql);
    return rows[0]?.count ?? 0;
  }

  return {
    async register(hostname, pid, version) {
      await pool.query('select private.register_worker($1, $2, $3, $4)', [workerId, hostname, pid, version]);
    },
    async claim(limit) {
      const { rows } = await pool.query<ClaimedJob>(
        `select id, session_id as "sessionId", prompt, attempt, max_attempts as "maxAttempts"
         from private.claim_jobs($1, $2, $3)`,
        [workerId, limit, lease],
      );
      return rows;
    },
    async heartbeat(jobs) {
      const { rows } = await pool.query<Heartbeat>(
        'select job_id as "jobId", held, cancel from private.heartbeat_jobs($1, $2, $3, $4)',
        [workerId, jobs.map((job) => job.id), jobs.map((job) => job.attempt), lease],
      );
      return rows;
    },
    async complete(job, result) {
      await pool.query(
        'select private.complete_jobs($1, array[$2]::uuid[], array[$3]::int[], array[$4]::jsonb[])',
        [workerId, job.id, job.attempt, JSON.stringify(result)],
      );
    },
    async fail(job, { code, message, retryable }) {
      const { rows } = await pool.query<{ status: JobStatus }>(
        `select status from private.fail_jobs(
           $1, array[$2]::uuid[], array[$3]::int[], array[$4]::text[], array[$5]::text[], array[$6]::boolean[]
         )`,
        [workerId, job.id, job.attempt, code, message, retryable],
      );
      return rows[0]?.status ?? 'failed';
    },
    async release(job) {
      await pool.query('select private.release_jobs($1, array[$2]::uuid[], array[$3]::int[])', [
        workerId,
        job.id,
        job.attempt,
      ]);
    },
    async appendEvents(job, events) {
      await pool.query('select private.append_session_events($1, $2, $3, $4)', [
        job.id,
        workerId,
        job.attempt,
        JSON.stringify(events),
      ]);
    },
    async updateSession(job, update) {
      await pool.query('select private.update_session($1, $2, $3, $4)', [
        job.id,
        workerId,
        job.attempt,
        JSON.stringify(update),
      ]);
    },
    async readSession(job) {
      const { rows } = await pool.query<JobSession>(
        `select s.id, s.webview_url as "webviewUrl", s.metadata, p.name as "projectName",
           p.template as "projectTemplate", u.tier
         from public.coding_sessions as s
         join public.projects as p on p.id = s.project_id and p.user_id = s.user_id
         join public.profiles as u on u.id = s.user_id
         where s.id = $1`,
        [job.sessionId],
      );
      if (!rows[0]) throw new Error(`session ${job.sessionId} is gone`);
      return rows[0];
    },
    reapExpiredJobs: () => count('select private.reap_expired_jobs() as count'),
    expireSessions: () => count('select private.expire_sessions() as count'),
  };
}
