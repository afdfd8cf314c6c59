import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loginUrl } from '@mobvibe/db';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { dumpCatalog } from '../../../../test/harness/catalog.ts';
import { createTestDatabase, type TestDatabase } from '../../../../test/harness/database.ts';
import { alone } from '../../src/archive/alone.ts';
import { findMonths, monthsToArchive } from '../../src/archive/months.ts';
import { openStore } from '../../src/archive/store.ts';
import { loadArchiveConfig } from '../../src/config.ts';
import { startCommand } from '../command.ts';
import { until } from '../support.ts';
import { type ArchiveFixture, createArchiveFixture } from './support.ts';

let db: TestDatabase;
let fixture: ArchiveFixture;
beforeAll(async () => {
  db = await createTestDatabase();
  fixture = await createArchiveFixture(db);
});
afterAll(async () => {
  await fixture?.close();
  await db?.drop();
});

const worker = (...args: string[]) => startCommand(args, { DATABASE_URL: db.url }).ended;
const isThere = async (name: string) =>
  (await db.sql.query('select to_regclass($1) is not null as there', [`partitions.${name}`])).rows[0].there;

describe('a month that is archived', () => {
  it('is gone, and comes back row for row, as closed as it was', async () => {
    const { userId, sessionId } = await fixture.fill('2024-02', 2_000);
    const before = await fixture.digest();
    const catalog = await dumpCatalog(db.sql);
    const seen = () =>
      db.asUser(
        userId,
        async (client) =>
          (await client.query('select count(*)::int as n from public.events_since($1, 0, 1000)', [sessionId]))
            .rows[0].n,
      );
    expect(await seen()).toBe(1_000);

    const dry = await worker('archive', '--dry-run', '--to', fixture.directory, '--json');
    expect(JSON.parse(dry.stdout).would_archive).toMatchObject([
      { kind: 'events', name: 'session_events_2024_02' },
    ]);
    expect(await fixture.digest()).toEqual(before);

    const archived = await worker('archive', '--to', fixture.directory, '--json');
    expect(archived).toMatchObject({ code: 0, stderr: '' });
    const [month] = JSON.parse(archived.stdout).archived;
    expect(month).toMatchObject({ kind: 'events', name: 'session_events_2024_02', rows: 2_000 });
    expect(await fixture.digest()).toEqual({ rows: 0, digest: null });
    expect(await isThere('session_events_2024_02')).toBe(false);
    expect(await seen()).toBe(0);

    const listed = await worker('archives');
    expect(listed.stdout).toMatch(/events +session_events_2024_02 +archived +2,000 .+file:\/\//);
    const restored = await worker('restore', '2024-02', '--json');
    expect(JSON.parse(restored.stdout)).toMatchObject({
      restored: [{ kind: 'events', was_here: false, restored: 2_000, left_out: 0 }],
    });
    expect(await fixture.digest()).toEqual(before);
    expect(await dumpCatalog(db.sql)).toEqual(catalog);
    expect(await seen()).toBe(1_000);

    expect(await fixture.restore('2024-02')).toMatchObject({ was_here: true, restored: 0 });
    // What was brought back stays, until it is named.
    const months = await fixture.register.months();
    expect(monthsToArchive(months, [], 1)).toEqual([]);
    expect(monthsToArchive(months, ['2024-02'], 1)).toHaveLength(1);
    expect(await fixture.digest()).toEqual(before);
    expect((await fixture.archive('2024-02')).contents.row_count).toBe(2_000);
    // Four processes.
  }, 240_000);

  it('comes back without what was deleted since', async () => {
    const kept = await fixture.fill('2024-03', 30);
    const deleted = await fixture.fill('2024-03', 20);
    await fixture.archive('2024-03');
    await db.sql.query('delete from public.coding_sessions where id = $1', [deleted.sessionId]);
    expect(await fixture.restore('2024-03')).toMatchObject({ restored: 30, left_out: 20 });
    expect(await fixture.eventsOf(kept.sessionId)).toHaveLength(30);
    // And goes with its session from then on.
    await db.sql.query('delete from public.coding_sessions where id = $1', [kept.sessionId]);
    expect(await fixture.eventsOf(kept.sessionId)).toHaveLength(0);
  });

  it('without an event is a month like any other', async () => {
    await fixture.fill('2024-04', 0);
    expect((await fixture.archive('2024-04')).contents).toMatchObject({ row_count: 0, parts: 0 });
    expect(await fixture.restore('2024-04')).toMatchObject({ was_here: false, restored: 0 });
    expect(await isThere('session_events_2024_04')).toBe(true);
  });

  it('takes in what was written for it meanwhile when it comes back', async () => {
    const { sessionId, userId, jobId } = await fixture.fill('2024-05', 10);
    await fixture.archive('2024-05');
    await db.sql.query(
      `insert into public.session_events (session_id, user_id, job_id, seq, created_at, type)
       values ($1, $2, $3, 11, '2024-05-20T00:00:00Z', 'status')`,
      [sessionId, userId, jobId],
    );
    // Not by the way: the month would be there, with one event of eleven.
    await db.asWorker((client) => client.query('select private.extend_event_partitions()'));
    expect(await isThere('session_events_2024_05')).toBe(false);
    await fixture.restore('2024-05');
    expect((await fixture.eventsOf(sessionId)).map(({ seq }) => Number(seq))).toEqual(
      Array.from({ length: 11 }, (_, index) => index + 1),
    );
    expect((await db.sql.query('select from partitions.session_events_default')).rowCount).toBe(0);
  });
});

describe('nothing is dropped', () => {
  const drop = (checksum: string, name = 'session_events_2024_06') =>
    db.asWorker(
      async (client) =>
        (await client.query('select private.drop_archived_events($1, $2) as gone', [name, checksum])).rows[0]
          .gone,
    );
  const record = async (name: string, location: string, checksum: string, rows: number) => {
    const sums = (await db.sql.query('select * from private.sum_events($1)', [name])).rows[0];
    return db.asWorker((client) =>
      client.query('select private.record_event_archive($1, $2, 1, $3, 1, $4, $5)', [
        ...[name, location, rows, checksum, sums.row_checksum],
      ]),
    );
  };

  it('without an archive in the register, or with another one', async () => {
    await fixture.fill('2024-06', 5);
    await expect(drop('x')).rejects.toMatchObject({ code: 'MV007' });
    await record('session_events_2024_06', 'file:///nowhere/a/b', 'right', 5);
    await expect(drop('wrong')).rejects.toMatchObject({ code: 'MV007' });
    await db.asWorker(async (client) => {
      await expect(client.query('drop table partitions.session_events_2024_06')).rejects.toMatchObject({
        code: '42501',
      });
      await expect(client.query('update private.event_archives set row_count = 0')).rejects.toMatchObject({
        code: '42501',
      });
    });
    expect(await isThere('session_events_2024_06')).toBe(true);
  });

  it('that is not what was archived: it is archived anew', async () => {
    const { sessionId, userId, jobId } = await fixture.fill('2024-06', 5);
    // What a killed process left behind: stored and entered, not dropped; its files are gone.
    expect((await fixture.monthOf('2024-06')).state).toBe('stored');
    let isWritten = false;
    const { store } = fixture.options;
    const { contents } = await fixture.archive('2024-06', {
      store: {
        ...store,
        // Between the export and the drop, as somebody by hand may.
        read: async (name) => {
          if (!isWritten) {
            await db.sql.query(
              `insert into public.session_events (session_id, user_id, job_id, seq, created_at, type)
               values ($1, $2, $3, 6, '2024-06-20T00:00:00Z', 'status')`,
              [sessionId, userId, jobId],
            );
          }
          isWritten = true;
          return store.read(name);
        },
      },
    });
    expect(fixture.steps.join()).toMatch(/of no use: there is no .+it has changed since it was stored/s);
    expect(contents.row_count).toBe(11);
    await fixture.restore('2024-06');
    expect(await fixture.eventsOf(sessionId)).toHaveLength(6);
  });

  it('of this month or the last', async () => {
    const { rows } = await db.sql.query<{ name: string }>(
      "select 'session_events_' || to_char((now() - interval '1 month') at time zone 'UTC', 'YYYY_MM') as name",
    );
    const name = rows[0]?.name as string;
    await record(name, 'file:///nowhere/a/b', 'sum', 0);
    await expect(drop('sum', name)).rejects.toMatchObject({
      code: 'MV007',
      message: expect.stringContaining('young'),
    });
    await db.sql.query('delete from private.event_archives where partition_name = $1', [name]);
    const months = await fixture.register.months();
    expect(() => monthsToArchive(months, [name], 12)).toThrow(`${name} is too young`);
    expect(monthsToArchive(months, [], 1).map((month) => month.age)).not.toContain(0);
  });
});

describe('an archive that somebody changed', () => {
  it.each([
    [
      'a byte',
      async (path: string) => {
        const content = await readFile(path);
        content.writeUInt8(content.readUInt8(4) ^ 1, 4);
        await writeFile(path, content);
      },
    ],
    ['its end', (path: string) => truncate(path, 200)],
    ['all of it', (path: string) => rm(path)],
  ])('is refused, and nothing is attached: %s', async (_, change) => {
    if (!(await isThere('session_events_2024_07'))) await fixture.fill('2024-07', 50);
    const before = await fixture.digest();
    const { location } = await fixture.archive('2024-07');
    const folder = join(fixture.directory, ...location.split('/').slice(-2));
    const [name] = await readdir(folder);
    const path = join(folder, String(name));
    const content = await readFile(path);
    await change(path);
    const gone = await fixture.digest();
    await expect(fixture.restore('2024-07')).rejects.toMatchObject({
      message: expect.stringContaining('is not the archive of session_events_2024_07'),
      fix: expect.stringContaining('--from'),
    });
    expect(await isThere('session_events_2024_07')).toBe(false);
    expect(await fixture.digest()).toEqual(gone);
    await writeFile(path, content);
    await fixture.restore('2024-07');
    expect(await fixture.digest()).toEqual(before);
  });

  it('cannot be slipped in past the register', async () => {
    await fixture.archive('2024-07');
    const name = 'session_events_2024_07';
    await db.asWorker(async (client) => {
      const refused = (sql: string, code: string) =>
        expect(client.query(sql, [name])).rejects.toMatchObject({ code });
      await client.query('select private.begin_event_restore($1)', [name]);
      await refused('select private.end_event_restore($1)', 'MV007');
      await client.query('select private.restore_event_lines($1, $2)', [
        name,
        [
          JSON.stringify({
            ...{ session_id: crypto.randomUUID(), user_id: crypto.randomUUID(), job_id: crypto.randomUUID() },
            ...{ seq: 1, created_at: '2024-07-01T00:00:00Z', type: 'message', payload: {} },
          }),
        ],
      ]);
      await refused('select private.check_event_restore($1)', 'MV008');
      await refused('select private.end_event_restore($1)', 'MV007');
    });
    await fixture.restore('2024-07');
    await db.asWorker((client) =>
      expect(client.query('select private.begin_event_restore($1)', [name])).rejects.toMatchObject({
        code: 'MV007',
      }),
    );
  });
});

describe('while a month is dropped or brought back', () => {
  it('everybody appends and reads, even when somebody else keeps the table busy', async () => {
    await fixture.fill('2024-08', 200);
    const { sessionId, jobId } = await fixture.fill('2024-09', 0);
    await db.sql.query("select private.claim_jobs('writer', 100, interval '1 hour')");
    const attempt = (await fixture.jobOf(jobId)).attempt;
    const open = async () => {
      const client = new pg.Client({ connectionString: loginUrl('mobvibe_worker', { url: db.url }) });
      await client.connect();
      return client;
    };
    const [writer, reader] = [await open(), await open()];
    let [appended, writing] = [0, true];
    const written = (async () => {
      while (writing) {
        await writer.query(`select private.append_session_events($1, 'writer', $2, '[{"type":"message"}]')`, [
          jobId,
          attempt,
        ]);
        appended += 1;
      }
    })();
    try {
      for (const change of [() => fixture.archive('2024-08'), () => fixture.restore('2024-08')]) {
        // As long as this reader is not done, the month can be neither dropped nor attached.
        await reader.query('begin');
        await reader.query('select count(*) from public.session_events, public.coding_sessions');
        const changing = change();
        const isWaiting = async () =>
          (
            await db.sql.query(
              "select from pg_stat_activity where query ~ 'drop_archived_events|end_event_restore' and pid <> pg_backend_pid() and state = 'active'",
            )
          ).rowCount !== 0;
        await until(isWaiting);
        const before = appended;
        await until(() => appended > before + 50);
        await reader.query('commit');
        await changing;
      }
    } finally {
      writing = false;
      await written;
      await writer.end();
      await reader.end();
    }
    expect((await fixture.eventsOf(sessionId)).map(({ seq }) => Number(seq))).toEqual(
      Array.from({ length: appended }, (_, index) => index + 1),
    );
  });

  it('nobody else does, and says so', async () => {
    const pool = new pg.Pool({ connectionString: loginUrl('mobvibe_worker', { url: db.url }) });
    try {
      await alone(pool, async () => {
        const { code, stderr } = await worker('restore', '2024-08');
        expect(code).toBe(1);
        expect(stderr).toMatch(/error: another process archives or restores in this database\nfix: .+\n$/);
      });
    } finally {
      await pool.end();
    }
  });
});

it('a place that takes no archive is named, and the month stays', async () => {
  await fixture.fill('2024-10', 5);
  const before = await fixture.digest();
  const file = join(fixture.directory, 'file');
  await writeFile(file, '');
  const store = openStore({ directory: file, storage: undefined }, fixture.options.signal);
  await expect(fixture.archive('2024-10', { store })).rejects.toMatchObject({
    message: expect.stringMatching(/^file:\/\/.+: (EEXIST|ENOTDIR)/),
    fix: expect.stringContaining('nothing is lost'),
  });
  expect(await fixture.digest()).toEqual(before);
  expect((await fixture.monthOf('2024-10')).state).toBe('live');
});

it('what is under way ends on a signal, and leaves nothing behind', async () => {
  await fixture.fill('2024-11', 5);
  const stop = new AbortController();
  const { store } = fixture.options;
  const interrupted = fixture.archive('2024-11', {
    signal: stop.signal,
    store: {
      ...store,
      write: async (name, content) => {
        await store.write(name, content);
        stop.abort(new Error('interrupted'));
      },
    },
  });
  await expect(interrupted).rejects.toThrow('interrupted');
  expect((await fixture.monthOf('2024-11')).state).toBe('live');
  expect(await store.list('session_events_2024_11')).toEqual([]);
});

it('what a run that was killed had entered is used, and what it replaced is not kept', async () => {
  await fixture.fill('2024-12', 5);
  await fixture.archive('2024-12');
  await fixture.restore('2024-12');
  const { register, options } = fixture;
  const killed = fixture.archive('2024-12', {
    register: {
      ...register,
      record: async (...args) => {
        await register.record(...args);
        throw new Error('killed');
      },
    },
  });
  await expect(killed).rejects.toThrow('killed');
  const { state, location } = await fixture.monthOf('2024-12');
  expect(state).toBe('stored');
  expect(await fixture.archive('2024-12')).toMatchObject({ location });
  expect(await options.store.list('session_events_2024_12')).toEqual([
    `${location?.split('/').slice(-2).join('/')}/00001.jsonl.gz`,
  ]);
});

describe('what a person gives', () => {
  it('is a month that there is', async () => {
    const months = await fixture.register.months();
    expect(() => findMonths(months, '2019-01')).toThrow('there is no month 2019-01');
    expect(() => findMonths(months, 'january')).toThrow('"january" is no month');
    const { code, stderr } = await worker('restore', '2019-01');
    expect(code).toBe(1);
    expect(stderr).toMatch(/\nerror: there is no month 2019-01, neither here nor archived\nfix: .+\n$/);
  });

  it('comes from the command line, then from the environment', () => {
    vi.stubEnv('WORKER_ARCHIVE_KEEP', '3');
    vi.stubEnv('WORKER_ARCHIVE_TO', '/archives');
    expect(loadArchiveConfig()).toMatchObject({ keep: 3, directory: '/archives' });
    expect(loadArchiveConfig({ keep: '24' })).toMatchObject({ keep: 24 });
    expect(() => loadArchiveConfig({ keep: '0' })).toThrow('--keep: must be a whole number from 1 to 1200');
    vi.stubEnv('WORKER_ARCHIVE_KEEP', 'x');
    expect(() => loadArchiveConfig()).toThrow('WORKER_ARCHIVE_KEEP: must be');
    vi.unstubAllEnvs();
    expect(loadArchiveConfig()).toMatchObject({ keep: 12, directory: undefined });
    const nowhere = { storage: undefined };
    expect(() => openStore(nowhere, new AbortController().signal)).toThrow('there is no place for archives');
  });
});
