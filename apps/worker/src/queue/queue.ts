import type { AttemptOutcome, CodingJob, CodingSession, JobStatus, Tier } from '@mobvibe/db';
import type pg from 'pg';
import { createFencedBatch } from './fenced-batch.ts';

/** A job this worker holds. `attempt` and the worker's id are the fencing token of every write. */
export type ClaimedJob = Pick<CodingJob, 'id' | 'sessionId' | 'prompt' | 'attempt' | 'maxAttempts'>;

/** A job just claimed. */
export type Claim = ClaimedJob & {
  /** How long it was due before it was claimed. */
  waitedMs: number;
};

/** What running a job needs to know of its session. */
export type JobSession = Pick<CodingSession, 'id' | 'userId' | 'projectId' | 'sandboxId' | 'webviewUrl'> & {
  metadata: Record<string, unknown>;
  projectName: string;
  projectTemplate: string;
  tier: Tier;
  /** Null where the tier has none. */
  limits: TierLimits | null;
};

/** What the agent may use in one job, by private.tier_limits. */
export interface TierLimits {
  /** Null: the worker's default. */
  model: string | null;
  maxTurns: number;
  maxBudgetUsd: number;
}

/** A session, and where its events end: what the first append of an attempt comes after. */
export type SessionRow = JobSession & { lastEventSeq: number };

export interface SessionUpdate {
  sandbox_id?: string;
  webview_url?: string;
  eas_update_url?: string;
  storage_prefix?: string;
  /** Merged into what is there, key by key. */
  metadata?: Record<string, unknown>;
}

export interface Failure {
  code: string;
  /** One line that the job's owner may read. */
  message: string;
  retryable: boolean;
  /** What the attempt used, input and output together. */
  tokens?: number;
}

export interface Heartbeat {
  jobId: string;
  held: boolean;
  cancel: boolean;
}

/**
 * The queue as one worker sees it: a typed function for each SQL function. Every write names the job and its
 * attempt; once the lease is lost each of them throws an error for which `isLeaseLost` holds, and changes nothing.
 * `complete`, `fail` and `release` of jobs that end at the same time share one call.
 */
export interface Queue {
  register(hostname: string, pid: number, version: string): Promise<void>;
  /** Notes in the registry that this worker has ended. */
  unregister(): Promise<void>;
  claim(limit: number): Promise<Claim[]>;
  /** The jobs that this worker holds, also those whose claim was never answered. */
  held(): Promise<Claim[]>;
  heartbeat(jobs: ClaimedJob[]): Promise<Heartbeat[]>;
  /** `last`: the event that says so, appended together with the end of the job or not at all. */
  complete(job: ClaimedJob, result: object, last?: { type: string; payload: object }): Promise<void>;
  /**
   * `last`: the event that says so, appended together with the end of the attempt or not at all.
   * @returns `pending` when the job will be tried again.
   */
  fail(job: ClaimedJob, failure: Failure, last?: { type: string; payload: object }): Promise<JobStatus>;
  /** @param tokens what the attempt spent */
  release(job: ClaimedJob, tokens?: number): Promise<void>;
  /** How this attempt ended, where this worker ended it: what a lost answer would have said. */
  endOf(job: ClaimedJob): Promise<AttemptOutcome | undefined>;
  /**
   * Appends events in one batch. With `after`, the last seq before it, a repeated call appends nothing twice.
   * @returns the last seq.
   */
  appendEvents(job: ClaimedJob, events: { type: string; payload: object }[], after?: number): Promise<number>;
  updateSession(job: ClaimedJob, update: SessionUpdate): Promise<void>;
  readSession(job: ClaimedJob): Promise<SessionRow>;
  /** Milliseconds until the next of the jobs that wait for their time; undefined when none does. */
  nextDueInMs(): Promise<number | undefined>;
}

const CLAIM = `j.id, j.session_id as "sessionId", j.prompt, j.attempt, j.max_attempts as "maxAttempts",
  extract(epoch from j.claimed_at - greatest(j.available_at, j.created_at))::float8 * 1000 as "waitedMs"`;

export function createQueue(pool: Pick<pg.Pool, 'query'>, workerId: string, leaseMs: number): Queue {
  const lease = `${leaseMs} milliseconds`;
  const token = (items: { job: ClaimedJob }[]) => [
    workerId,
    items.map(({ job }) => job.id),
    items.map(({ job }) => job.attempt),
  ];

  /** The last events of attempts that end, as SQL takes them. */
  const lastEvents = (items: { last: object | undefined }[]) =>
    items.some(({ last }) => last) ? items.map(({ last }) => last && JSON.stringify([last])) : null;

  type Completion = { job: ClaimedJob; result: object; last: object | undefined };
  const complete = createFencedBatch<Completion, void>(async (items) => {
    await pool.query('select private.complete_jobs($1, $2, $3, $4::jsonb[], $5::jsonb[])', [
      ...token(items),
      items.map(({ result }) => JSON.stringify(result)),
      lastEvents(items),
    ]);
    return items.map(() => undefined);
  });

  type FailedAttempt = { job: ClaimedJob; failure: Failure; last: object | undefined };
  const fail = createFencedBatch<FailedAttempt, JobStatus>(async (items) => {
    const { rows } = await pool.query<{ id: string; status: JobStatus }>(
      'select job_id as id, status from private.fail_jobs($1, $2, $3, $4, $5, $6, $7, $8::jsonb[])',
      [
        ...token(items),
        items.map(({ failure }) => failure.code),
        items.map(({ failure }) => failure.message),
        items.map(({ failure }) => failure.retryable),
        items.map(({ failure }) => failure.tokens ?? 0),
        lastEvents(items),
      ],
    );
    const statuses = new Map(rows.map(({ id, status }) => [id, status]));
    return items.map(({ job }) => statuses.get(job.id) ?? 'failed');
  });

  const release = createFencedBatch<{ job: ClaimedJob; tokens: number }, void>(async (items) => {
    await pool.query('select private.release_jobs($1, $2, $3, $4)', [
      ...token(items),
      items.map(({ tokens }) => tokens),
    ]);
    return items.map(() => undefined);
  });

  return {
    async register(hostname, pid, version) {
      await pool.query('select private.register_worker($1, $2, $3, $4)', [workerId, hostname, pid, version]);
    },
    async unregister() {
      await pool.query('select private.unregister_worker($1)', [workerId]);
    },
    async claim(limit) {
      const { rows } = await pool.query<Claim>(`select ${CLAIM} from private.claim_jobs($1, $2, $3) as j`, [
        workerId,
        limit,
        lease,
      ]);
      return rows;
    },
    async held() {
      const { rows } = await pool.query<Claim>(
        `select ${CLAIM} from public.coding_jobs as j where j.status = 'processing' and j.worker_id = $1`,
        [workerId],
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
    complete: (job, result, last) => complete({ job, result, last }),
    fail: (job, failure, last) => fail({ job, failure, last }),
    release: (job, tokens = 0) => release({ job, tokens }),
    async endOf(job) {
      const { rows } = await pool.query<{ outcome: AttemptOutcome }>(
        'select outcome from private.job_attempts where job_id = $1 and attempt = $2 and worker_id = $3',
        [job.id, job.attempt, workerId],
      );
      return rows[0]?.outcome;
    },
    async appendEvents(job, events, after) {
      const { rows } = await pool.query<{ last: string }>(
        'select private.append_session_events($1, $2, $3, $4, $5) as last',
        [job.id, workerId, job.attempt, JSON.stringify(events), after],
      );
      return Number(rows[0]?.last);
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
      const { rows } = await pool.query<SessionRow>(
        `select s.id, s.user_id as "userId", s.project_id as "projectId", s.sandbox_id as "sandboxId",
           s.webview_url as "webviewUrl", s.metadata, s.last_event_seq::float8 as "lastEventSeq",
           p.name as "projectName", p.template as "projectTemplate", u.tier,
           case when l.tier is not null then json_build_object(
             'model', l.model, 'maxTurns', l.max_turns, 'maxBudgetUsd', l.max_budget_usd
           ) end as limits
         from public.coding_sessions as s
         join public.projects as p on p.id = s.project_id and p.user_id = s.user_id
         join public.profiles as u on u.id = s.user_id
         left join private.tier_limits as l on l.tier = u.tier
         where s.id = $1`,
        [job.sessionId],
      );
      if (!rows[0]) throw new Error(`session ${job.sessionId} is gone`);
      return rows[0];
    },
    async nextDueInMs() {
      const { rows } = await pool.query<{ ms: number | null }>(
        `select extract(epoch from min(available_at) - now())::float8 * 1000 as ms
         from public.coding_jobs where status = 'pending' and available_at > now()`,
      );
      return rows[0]?.ms ?? undefined;
    },
  };
}
