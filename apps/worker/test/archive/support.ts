import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loginUrl } from '@mobvibe/db';
import pg from 'pg';
import type { TestDatabase } from '../../../../test/harness/database.ts';
import { type ArchiveOptions, archiveMonth } from '../../src/archive/archive.ts';
import { findMonths } from '../../src/archive/months.ts';
import { type Month, openRegister } from '../../src/archive/register.ts';
import { restoreMonth } from '../../src/archive/restore.ts';
import { openLocation, openStore } from '../../src/archive/store.ts';
import type { StorageConfig } from '../../src/storage/bucket.ts';
import { createFixture, type Session } from '../fixture.ts';

/** What archiving is tested with: months that are long over, of events and of sessions. */
export async function createArchiveFixture(db: Pick<TestDatabase, 'url' | 'sql'>, storage?: StorageConfig) {
  const fixture = await createFixture(db);
  const directory = await mkdtemp(join(tmpdir(), 'archive-test-'));
  const pool = new pg.Pool({ connectionString: loginUrl('mobvibe_worker', { url: db.url }), max: 4 });
  const register = openRegister(pool);
  const { signal } = new AbortController();
  const place = storage ? { storage } : { directory, storage: undefined };
  const steps: string[] = [];
  const options: ArchiveOptions = {
    register,
    store: openStore(place, signal),
    locate: (location) => openLocation(location, { storage, signal }),
    signal,
    onProgress: (what) => steps.push(what),
  };
  /** By `2024-01` the month of events, by `coding_sessions_2024_01` that of sessions. */
  const monthOf = async (name: string) => findMonths(await register.months(), name)[0] as Month;

  return {
    ...fixture,
    directory,
    pool,
    options,
    register,
    steps,
    monthOf,
    archive: async (month: string, changed: Partial<ArchiveOptions> = {}) =>
      archiveMonth(await monthOf(month), { ...options, ...changed }),
    restore: async (month: string, changed: Partial<ArchiveOptions> = {}) =>
      restoreMonth(await monthOf(month), { ...options, ...changed }),
    /** A month with events of a session; `month` as 2024-01. */
    async fill(month: string, events: number): Promise<Session & { jobId: string }> {
      await db.sql.query(
        "select private.ensure_event_partitions($1::timestamptz, $1::timestamptz + interval '1 day')",
        [`${month}-01T00:00:00Z`],
      );
      const session = await fixture.createSession();
      const jobId = await fixture.enqueue(session);
      await db.sql.query(
        `insert into public.session_events (session_id, user_id, job_id, seq, created_at, type, payload)
         select $1, $2, $3, n, $4::timestamptz + n * interval '1.000001 second',
           (enum_range(null::public.session_event_type))[1 + n % 9],
           jsonb_build_object('text', md5(n::text) || E' "quoted" \\\\ \\t\\u2028\\u0001 日本', 'number', 1e30 + n, 'n', null)
         from generate_series(1, $5::int) as n`,
        [session.sessionId, session.userId, jobId, `${month}-01T00:00:00Z`, events],
      );
      await db.sql.query('update public.coding_sessions set last_event_seq = $2 where id = $1', [
        session.sessionId,
        events,
      ]);
      return { ...session, jobId };
    },
    /** A session that was opened in a month and is over, with ended jobs and their attempts; `month` as 2024-01. */
    async fillSession(month: string, jobs: number): Promise<Session & { jobIds: string[] }> {
      const session = await fixture.createSession();
      const { rows } = await db.sql.query<{ id: string }>(
        `insert into public.coding_jobs (user_id, session_id, prompt, status, priority, attempt, available_at, claimed_at,
           worker_id, idempotency_key, result, error_code, error_message, completed_at, created_at, updated_at)
         select $1, $2, md5(n::text) || E' "quoted" \\\\ \\t\\u2028\\u0001 日本', status.of, n % 5, 2, at, at, 'w',
           case when n % 2 = 0 then 'key ' || n end,
           case when n % 3 = 0 then jsonb_build_object('nothing', null, 'number', 1e30 + n, 'text', E'\\u2028 日本') end,
           case when n % 3 = 1 then 'agent_failed' end, case when n % 3 = 1 then E'one\\nline' end,
           at + interval '1.000001 minute', at, at + interval '2.000003 minutes'
         from generate_series(1, $4::int) as n
         cross join lateral (select (array['completed', 'failed', 'cancelled'])[1 + n % 3]::public.job_status) as status (of)
         cross join lateral (select $3::timestamptz + n * interval '1.000001 second') as time (at)
         returning id`,
        [session.userId, session.sessionId, `${month}-02T00:00:00Z`, jobs],
      );
      await db.sql.query(
        `insert into private.job_attempts
           (job_id, user_id, attempt, worker_id, started_at, ended_at, outcome, error_code, error, created_at, updated_at)
         select j.id, j.user_id, n, 'w', j.created_at, j.completed_at, 'failed', 'agent_failed',
           E'a\\n"stack" of ' || n, j.created_at, j.updated_at
         from public.coding_jobs as j, generate_series(1, 2) as n
         where j.session_id = $1`,
        [session.sessionId],
      );
      await db.sql.query(
        "update public.coding_sessions set created_at = $2, status = 'cancelled', last_event_seq = 7 where id = $1",
        [session.sessionId, `${month}-02T00:00:00Z`],
      );
      return { ...session, jobIds: rows.map(({ id }) => id) };
    },
    /** Everything there is of all jobs and attempts but the stamp, as one text. */
    async jobsDigest(): Promise<{ rows: number; digest: string | null }> {
      const { rows } = await db.sql.query(
        `select count(*)::int as rows, md5(string_agg(row, e'\\n' order by row)) as digest
         from (
           select (to_jsonb(j) - 'changed_xid')::text from public.coding_jobs as j
           union all
           select to_jsonb(a)::text from private.job_attempts as a
         ) as one (row)`,
      );
      return rows[0];
    },
    /** Everything there is of all events, as one text. */
    async digest(): Promise<{ rows: number; digest: string | null }> {
      const { rows } = await db.sql.query(
        `select count(*)::int as rows, md5(string_agg(e::text, e'\\n' order by e.session_id, e.seq, e.created_at)) as digest
         from public.session_events as e`,
      );
      return rows[0];
    },
    async close(): Promise<void> {
      await pool.end();
      await fixture.remove();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export type ArchiveFixture = Awaited<ReturnType<typeof createArchiveFixture>>;
