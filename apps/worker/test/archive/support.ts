import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loginUrl } from '@mobvibe/db';
import pg from 'pg';
import type { TestDatabase } from '../../../../test/harness/database.ts';
import { type ArchiveOptions, archiveMonth } from '../../src/archive/archive.ts';
import { findMonth } from '../../src/archive/months.ts';
import { openRegister } from '../../src/archive/register.ts';
import { restoreMonth } from '../../src/archive/restore.ts';
import { openLocation, openStore } from '../../src/archive/store.ts';
import type { StorageConfig } from '../../src/storage/bucket.ts';
import { createFixture, type Session } from '../fixture.ts';

/** What archiving is tested with: a month that is long over, of a session with a job. */
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
  const monthOf = async (name: string) => findMonth(await register.months(), name);

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
