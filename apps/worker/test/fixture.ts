import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe as describeTarget } from '@mobvibe/cli';
import { loginUrl } from '@mobvibe/db/connection';
import type pg from 'pg';
import { loadWorkerConfig, type WorkerConfig } from '../src/config.ts';
import type { Execution, ExecutionResult } from '../src/executor/executor.ts';
import { createLog, type Log } from '../src/log.ts';
import { startWorker, type Worker } from '../src/worker.ts';

export type Run = (execution: Execution) => Promise<ExecutionResult>;

export interface Session {
  userId: string;
  sessionId: string;
}

/** As much of a row of coding_jobs as tests look at. */
export interface JobRow {
  status: string;
  attempt: number;
  worker_id: string | null;
  error_code: string | null;
  result: { usage: { input_tokens: number; output_tokens: number } };
}

interface StartOptions extends Partial<WorkerConfig> {
  untilIdle?: boolean;
  log?: Log;
  /** Instead of the database's own address. */
  through?: string;
}

/** What an agent that did its work returns. */
export const done: ExecutionResult = {
  summary: 'Done.',
  usage: { input_tokens: 100, output_tokens: 20, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 },
  cost_usd: 0.5,
  turns: 2,
};

/**
 * Workers and what they work on.
 * @param database its address as postgres, and a connection to it
 */
export async function createFixture(database: { url: string; sql: Pick<pg.Pool, 'query'> }) {
  const { sql } = database;
  const data = await mkdtemp(join(tmpdir(), 'worker-test-'));
  const workerUrl = loginUrl('mobvibe_worker', { url: database.url });
  const workers: Worker[] = [];

  const first = async <T = Record<string, unknown>>(text: string, values: unknown[]): Promise<T> =>
    (await sql.query(text, values)).rows[0] as T;
  const jobOf = (id: string) => first<JobRow>('select * from public.coding_jobs where id = $1', [id]);

  return {
    data,
    workerUrl,
    /** A worker with `run` in the place of the agent. */
    async start(run?: Run, options: StartOptions = {}): Promise<Worker> {
      const { untilIdle = false, log = createLog({ level: 'silent' }), through, ...config } = options;
      const worker = await startWorker({
        target: describeTarget(through ?? workerUrl),
        config: {
          ...loadWorkerConfig({ data, lease: 3, poll: 60 }),
          anthropic: undefined,
          fly: undefined,
          storage: undefined,
          ...config,
        },
        log,
        untilIdle,
        ...(run && { executor: { run } }),
      });
      workers.push(worker);
      return worker;
    },
    async createSession(): Promise<Session> {
      const user = await first<{ id: string }>(
        `insert into auth.users (id, instance_id, aud, role, email, created_at, updated_at)
         values (gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated',
           gen_random_uuid() || '@example.com', now(), now()) returning id`,
        [],
      );
      await sql.query("update public.profiles set tier = 'pro' where id = $1", [user.id]);
      const project = await first<{ id: string }>(
        "insert into public.projects (user_id, name) values ($1, 'Habits') returning id",
        [user.id],
      );
      const session = await first<{ id: string }>(
        'insert into public.coding_sessions (user_id, project_id) values ($1, $2) returning id',
        [user.id, project.id],
      );
      return { userId: user.id, sessionId: session.id };
    },
    async enqueue({ userId, sessionId }: Session, prompt = 'Build a habit tracker'): Promise<string> {
      const job = await first<{ id: string }>(
        'insert into public.coding_jobs (user_id, session_id, prompt) values ($1, $2, $3) returning id',
        [userId, sessionId, prompt],
      );
      return job.id;
    },
    jobOf,
    statusOf: async (id: string) => (await jobOf(id)).status,
    eventsOf: async (sessionId: string) =>
      (
        await sql.query<{ seq: string; type: string; payload: Record<string, unknown> }>(
          'select seq, type, payload from public.session_events where session_id = $1 order by seq',
          [sessionId],
        )
      ).rows,
    /** Stops all workers and removes what they worked on. */
    async clear(): Promise<void> {
      for (const worker of workers.splice(0)) await worker.stop().catch(() => {});
      await sql.query('delete from public.projects');
    },
    async remove(): Promise<void> {
      await rm(data, { recursive: true, force: true });
    },
  };
}

export type Fixture = Awaited<ReturnType<typeof createFixture>>;

/** An agent that hangs until it is aborted. */
export function hanging() {
  let started = 0;
  return {
    started: () => started,
    run: ({ signal }: Execution) =>
      new Promise<ExecutionResult>((_, reject) => {
        started++;
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
  };
}

/** A gate that agents wait at until the test opens it. */
export function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
