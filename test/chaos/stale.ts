import type pg from 'pg';
import {
  type ClaimedJob,
  createQueue,
  type Failure,
  isLeaseLost,
  type Queue,
} from '../../apps/worker/src/index.ts';

type Database = {
  query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<pg.QueryResult<Row>>;
};

/** A hold on a job that somebody had. */
export interface Hold {
  workerId: string;
  job: ClaimedJob;
}

const FAILURE: Failure = { code: 'stale', message: 'Stale.', retryable: true, tokens: 1_000 };

/** Every write of a worker, as one that lost its hold would still make it. What it would leave says `stale`. */
const WRITES: Record<string, (queue: Queue, job: ClaimedJob) => Promise<unknown>> = {
  append: (queue, job) => queue.appendEvents(job, [{ type: 'message', payload: { text: 'stale' } }]),
  update: (queue, job) => queue.updateSession(job, { metadata: { stale: job.id } }),
  heartbeat: async (queue, job) => {
    const [answer] = await queue.heartbeat([job]);
    if (!answer?.held) throw Object.assign(new Error('not held'), { code: 'MV001' });
  },
  complete: (queue, job) => queue.complete(job, { summary: 'stale', usage: { input_tokens: 1_000 } }),
  fail: (queue, job) => queue.fail(job, FAILURE),
  release: (queue, job) => queue.release(job),
};

/**
 * Makes every write under a hold that is lost.
 * @returns those that were not refused.
 */
export async function writeStale(pool: Pick<pg.Pool, 'query'>, { workerId, job }: Hold): Promise<string[]> {
  const queue = createQueue(pool, workerId, 60_000);
  const taken: string[] = [];
  for (const [name, write] of Object.entries(WRITES)) {
    const error = await write(queue, job).then(
      () => undefined,
      (reason) => reason,
    );
    if (error === undefined) taken.push(name);
    else if (!isLeaseLost(error)) throw error;
  }
  return taken;
}

export const STALE_WRITES = Object.keys(WRITES).length;

/** What a worker holds now, at most `most`. */
export async function holdsOf(pool: Database, workerId: string, most = 3): Promise<Hold[]> {
  const { rows } = await pool.query<ClaimedJob>(
    `select id, session_id as "sessionId", prompt, attempt, max_attempts as "maxAttempts"
     from public.coding_jobs where status = 'processing' and worker_id = $1 order by id limit $2`,
    [workerId, most],
  );
  return rows.map((job) => ({ workerId, job }));
}

/**
 * Those of the holds that are lost for good: the job ended, or a later attempt began. While neither is so, a crash of
 * the server may have taken the claim back, and the same worker may claim the same attempt again.
 */
export async function lostHolds(pool: Database, holds: Hold[]): Promise<Hold[]> {
  const { rows } = await pool.query<{ isLost: boolean }>(
    `select coalesce(j.attempt > held.attempt or j.status in ('completed', 'failed', 'cancelled'), false) as "isLost"
     from unnest($1::uuid[], $2::integer[]) with ordinality as held (id, attempt, position)
     left join public.coding_jobs as j on j.id = held.id
     order by held.position`,
    [holds.map(({ job }) => job.id), holds.map(({ job }) => job.attempt)],
  );
  return holds.filter((_, index) => rows[index]?.isLost);
}
