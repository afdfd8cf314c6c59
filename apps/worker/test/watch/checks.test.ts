import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer } from '@mobvibe/local';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../test/harness/database.ts';
import { CHECKS, type Check } from '../../src/watch/checks.ts';
import { type Level, type Reading, takeReadings } from '../../src/watch/readings.ts';
import { createFixture, type Fixture } from '../fixture.ts';
import { until } from '../support.ts';
import { connectTo, flush, inDatabase } from './support.ts';

let db: TestDatabase;
let fixture: Fixture;
let worker: pg.Client;
let admin: pg.Client;
const open: pg.Client[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
  fixture = await createFixture(db);
  worker = await connectTo(fixture.workerUrl);
  admin = await connectTo(inDatabase(inject('server').adminUrl, db.url));
});
afterEach(() => fixture.clear());
afterAll(async () => {
  for (const client of [worker, admin, ...open]) await client?.end();
  await db?.drop();
  await fixture?.remove();
});

const sql = (text: string, values: unknown[] = []) => db.sql.query(text, values);

async function connection(): Promise<pg.Client> {
  const client = await connectTo(db.url);
  open.push(client);
  return client;
}

/** Begins and commits so many transactions that each take an id. */
const useTransactionIds = (count: number) =>
  sql(`do $$ begin for i in 1..${count} loop perform pg_current_xact_id(); commit; end loop; end $$`);

/** What this database has counted is forgotten, as after a failover. */
async function resetCounters(): Promise<void> {
  await admin.query('select pg_stat_reset()');
}

/** A table of 14 MB with an index of the same size on it. */
async function bigTable(): Promise<void> {
  await sql('create table private.big (id integer primary key, text text) with (autovacuum_enabled = false)');
  await sql("insert into private.big select n, lpad(n::text, 400, 'x') from generate_series(1, 30000) as n");
  await sql('create index big_text_idx on private.big (text)');
  await sql('analyze private.big');
}

async function mostlyDeleted(): Promise<void> {
  await bigTable();
  await sql('delete from private.big where id % 10 > 0');
  await sql('vacuum (truncate off, analyze) private.big');
}

/** A registry of workers of which every row has died once. */
async function deadRows(): Promise<() => Promise<unknown>> {
  await sql('alter table private.workers set (autovacuum_enabled = false)');
  await sql(
    `insert into private.workers (id, hostname, pid, version, stopped_at)
     select 'old-' || n, 'host', 1, '1', now() from generate_series(1, 12000) as n`,
  );
  await sql("update private.workers set hostname = hostname || '2'");
  await flush(db.sql);
  return async () => {
    await sql('delete from private.workers');
    await sql('vacuum private.workers');
    await sql('alter table private.workers reset (autovacuum_enabled)');
  };
}

interface Condition {
  level: Level;
  /** Of which of the findings; left out: there is but one. */
  subject?: string | RegExp;
  /** Where what it really takes would take too long. */
  thresholds?: Partial<Pick<Check, 'warn' | 'critical'>> | (() => Promise<Partial<Check>>);
  /** @returns what puts it right, where something can. */
  bringAbout(): Promise<(() => Promise<unknown>) | undefined>;
}

/** For every check a real condition that it is there to find. */
const CONDITIONS: Record<string, Condition> = {
  oldest_due_job: {
    level: 'critical',
    async bringAbout() {
      const id = await fixture.enqueue(await fixture.createSession());
      await sql(
        `update public.coding_jobs
         set created_at = now() - interval '11 minutes', available_at = now() - interval '11 minutes' where id = $1`,
        [id],
      );
      return () => sql("select private.claim_jobs('late', 1, interval '1 minute')");
    },
  },
  delayed_jobs: {
    level: 'warn',
    async bringAbout() {
      const user = await db.createUser({ tier: 'enterprise' });
      await sql(
        `with project as (
           insert into public.projects (user_id, name) values ($1, 'Habits') returning id
         )
         insert into public.coding_sessions (user_id, project_id) select $1, id from project`,
        [user],
      );
      await sql(
        `insert into public.coding_jobs (user_id, session_id, prompt, available_at)
         select user_id, id, 'Later', now() + interval '1 hour'
         from public.coding_sessions cross join generate_series(1, 100) where user_id = $1`,
        [user],
      );
      return () => sql('update public.coding_jobs set available_at = now()');
    },
  },
  expired_lease: {
    level: 'critical',
    subject: 'dead',
    async bringAbout() {
      await fixture.enqueue(await fixture.createSession());
      await sql("select private.claim_jobs('dead', 1, interval '-6 minutes')");
      return () => sql('select private.reap_expired_jobs()');
    },
  },
  silent_workers: {
    level: 'warn',
    async bringAbout() {
      await sql("select private.register_worker('silent', 'host', 1, '1')");
      await sql("update private.workers set last_seen_at = now() - interval '5 minutes' where id = 'silent'");
      return () => sql("select private.unregister_worker('silent')");
    },
  },
  partition_runway: {
    level: 'critical',
    async bringAbout() {
      const { rows } = await sql(
        `select inhrelid::regclass::text as name from pg_inherits
         where inhparent = 'public.session_events'::regclass and inhrelid::regclass::text !~ 'default'`,
      );
      for (const { name } of rows) await sql(`drop table ${name}`);
      return () => sql('select private.extend_event_partitions()');
    },
  },
  default_partition_rows: {
    level: 'warn',
    async bringAbout() {
      const session = await fixture.createSession();
      const id = await fixture.enqueue(session);
      await sql(
        `insert into public.session_events (session_id, user_id, seq, job_id, type, created_at)
         values ($1, $2, 1, $3, 'message', '2001-05-05')`,
        [session.sessionId, session.userId, id],
      );
      return async () => {
        await sql('select private.extend_event_partitions()');
        const { rows } = await sql('select tableoid::regclass::text as partition from public.session_events');
        expect(rows).toEqual([{ partition: 'partitions.session_events_2001_05' }]);
      };
    },
  },
  stuck_archive: {
    level: 'critical',
    subject: 'session_events_2001_01',
    async bringAbout() {
      await sql(
        `insert into private.event_archives
           (partition_name, range_start, range_end, location, row_count, size_bytes, checksum, archived_at)
         values ('session_events_2001_01', '2001-01-01', '2001-02-01', 'x', 1, 1, 'x', now() - interval '2 days')`,
      );
      return () => sql('update private.event_archives set dropped_at = now()');
    },
  },
  connections: {
    level: 'critical',
    async bringAbout() {
      const name = new URL(db.url).pathname.slice(1);
      // As many as are there: the next application is refused. One that is just leaving may still be counted.
      await until(async () => {
        const { rows } = await sql(
          "select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend'",
        );
        await sql(`alter database ${name} connection limit ${rows[0].count}`);
        return connectTo(fixture.workerUrl).then(
          (admitted) => admitted.end().then(() => false),
          (error) => error.code === '53300',
        );
      });
      return () => sql(`alter database ${name} connection limit -1`);
    },
  },
  oldest_transaction: {
    level: 'warn',
    subject: /^pid \d+, postgres, idle in transaction$/,
    thresholds: { warn: 0.05 },
    async bringAbout() {
      const forgotten = await connection();
      await forgotten.query('begin');
      return () => forgotten.query('rollback');
    },
  },
  snapshot_age: {
    level: 'critical',
    subject: /^pid \d+, postgres$/,
    thresholds: { warn: 50, critical: 100 },
    async bringAbout() {
      const reader = await connection();
      await reader.query('begin isolation level repeatable read');
      await reader.query('select from public.projects');
      await useTransactionIds(101);
      return () => reader.query('commit');
    },
  },
  transaction_id_usage: {
    level: 'warn',
    subject: 'template0',
    async thresholds() {
      const { rows } = await sql(
        "select greatest(age(datfrozenxid), mxid_age(datminmxid)) as age from pg_database where datname = 'template0'",
      );
      return { warn: (rows[0].age + 500) / 2 ** 31 };
    },
    async bringAbout() {
      await useTransactionIds(500);
      // Only a freeze of every database of the server would.
      return undefined;
    },
  },
  replication_slot_lag: {
    level: 'warn',
    subject: 'nobody_reads',
    thresholds: { warn: 2 ** 20 },
    async bringAbout() {
      await sql("select pg_create_physical_replication_slot('nobody_reads', true)");
      await sql("select pg_logical_emit_message(false, 'watch', repeat('x', 1100000))");
      return () => sql("select pg_drop_replication_slot('nobody_reads')");
    },
  },
  autovacuum_lag: { level: 'critical', subject: 'private.workers', bringAbout: deadRows },
  dead_rows: { level: 'warn', subject: 'private.workers', bringAbout: deadRows },
  table_bloat: {
    level: 'warn',
    subject: 'private.big',
    async bringAbout() {
      await mostlyDeleted();
      return () => sql('vacuum full private.big');
    },
  },
  index_bloat: {
    level: 'warn',
    subject: 'private.big_text_idx',
    bringAbout: async () => {
      await mostlyDeleted();
      return () => sql('reindex index concurrently private.big_text_idx');
    },
  },
  cache_hits: {
    level: 'critical',
    async bringAbout() {
      await admin.query('create extension if not exists pg_buffercache');
      await bigTable();
      await resetCounters();
      for (let round = 0; round < 7; round++) {
        await admin.query(
          `select pg_buffercache_evict(bufferid) from pg_buffercache
           where relfilenode = pg_relation_filenode('private.big')
             and reldatabase = (select oid from pg_database where datname = current_database())`,
        );
        await sql('select count(text) from private.big');
      }
      await flush(db.sql);
      return resetCounters;
    },
  },
  sequential_scans: {
    level: 'warn',
    subject: 'private.big',
    async bringAbout() {
      await bigTable();
      await sql(`do $$ begin for i in 1..100 loop perform count(*) from private.big; end loop; end $$`);
      await flush(db.sql);
      return resetCounters;
    },
  },
  unused_index: {
    level: 'warn',
    subject: 'private.big_text_idx',
    async bringAbout() {
      await bigTable();
      return async () => {
        await sql("select from private.big where text = 'x'");
        await flush(db.sql);
      };
    },
  },
};

/** Needs a server that allows it, so it has a test of its own. */
const PREPARED = 'oldest_prepared_transaction';

function levelOf(reading: Reading | undefined, subject: string | RegExp | undefined): Level | undefined {
  if (subject === undefined) return reading?.level;
  // Others may be amiss in the same way: tests share a server.
  const matches = (name: string | null) =>
    typeof subject === 'string' ? name === subject : subject.test(name ?? '');
  return reading?.findings.find((finding) => matches(finding.subject))?.level ?? 'ok';
}

describe('a check', () => {
  afterEach(() => sql('drop table if exists private.big'));

  for (const check of CHECKS) {
    if (check.name === PREPARED) continue;
    it(`${check.name} finds what it is there for, and is ok again when that is put right`, async () => {
      const condition = CONDITIONS[check.name];
      if (!condition) throw new Error(`bring about what ${check.name} is to find`);
      const { level, subject, thresholds, bringAbout } = condition;
      const lowered = typeof thresholds === 'function' ? await thresholds() : thresholds;
      const levelNow = async () => {
        const [reading] = await takeReadings(worker, [{ ...check, ...lowered }]);
        return levelOf(reading, subject);
      };
      expect(await levelNow()).toBe('ok');
      const putRight = await bringAbout();
      await until(async () => (await levelNow()) === level);
      if (!putRight) return;
      await putRight();
      await until(async () => (await levelNow()) === 'ok');
    });
  }

  it(`${PREPARED} names one that was forgotten`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'watch-test-'));
    const first = await startServer({ directory, durable: false });
    const before = await connectTo(first.adminUrl);
    await before.query('alter system set max_prepared_transactions = 1');
    await before.end();
    await first.stop();
    const server = await startServer({ directory, durable: false });
    try {
      const client = await connectTo(server.url);
      await client.query('create schema private');
      const file = new URL(
        '../../../../packages/rls-sql/sql/30_functions/measure_server.sql',
        import.meta.url,
      );
      await client.query(await readFile(file, 'utf8'));
      await client.query('alter function private.measure_server() rename to measurements');
      const levelNow = async () => {
        const check = CHECKS.find(({ name }) => name === PREPARED) as Check;
        const [reading] = await takeReadings(client, [{ ...check, warn: 0.05 }]);
        return levelOf(reading, 'forgotten');
      };
      expect(await levelNow()).toBe('ok');
      await client.query("begin; select pg_current_xact_id(); prepare transaction 'forgotten'");
      await until(async () => (await levelNow()) === 'warn');
      await client.query("rollback prepared 'forgotten'");
      expect(await levelNow()).toBe('ok');
      await client.end();
    } finally {
      await server.stop({ remove: true });
    }
  });

  it('knows every measurement, and no other', async () => {
    const { rows } = await worker.query('select distinct check_name from private.measurements()');
    const names = CHECKS.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(rows.map(({ check_name }) => check_name)));
    expect([...Object.keys(CONDITIONS), PREPARED].toSorted()).toEqual(names.toSorted());
  });
});

describe('the oldest due job', () => {
  it('is none that waits for its own session, or for its user', async () => {
    const session = await fixture.createSession();
    await fixture.enqueue(session);
    await sql("select private.claim_jobs('busy', 1, interval '1 minute')");
    await fixture.enqueue(session);
    await sql(
      "update public.coding_jobs set created_at = now() - interval '1 day', available_at = created_at",
    );
    const oldest = async () =>
      (await takeReadings(worker)).find(({ check }) => check.name === 'oldest_due_job')?.value;
    expect(await oldest()).toBe(0);
    // Another session of the user may run beside it, until the user has as many as the tier allows.
    const { rows } = await sql(
      `insert into public.coding_sessions (user_id, project_id)
       select user_id, project_id from public.coding_sessions where id = $1 returning id`,
      [session.sessionId],
    );
    await fixture.enqueue({ userId: session.userId, sessionId: rows[0].id });
    await sql(
      "update public.coding_jobs set created_at = now() - interval '1 day', available_at = now() - interval '1 day'",
    );
    expect(await oldest()).toBeGreaterThan(86_000);
    await sql('update private.tier_limits set max_concurrent_jobs = 1');
    expect(await oldest()).toBe(0);
  });
});

describe('a locked table', () => {
  it('is no reason to wait', async () => {
    const migration = await connection();
    await migration.query('begin; lock table private.workers');
    await expect(takeReadings(worker)).rejects.toMatchObject({
      message: 'a table of the queue is locked, so its rows cannot be counted',
      fix: expect.stringContaining('pg_stat_activity'),
    });
    await migration.query('rollback');
  });
});
