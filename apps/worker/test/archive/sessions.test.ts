import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../test/harness/database.ts';
import { broadcasts, syncPage } from '../../../../test/sync/support.ts';
import { readParts } from '../../src/archive/contents.ts';
import { monthsToArchive, monthsToRestore } from '../../src/archive/months.ts';
import { partName } from '../../src/archive/store.ts';
import { startCommand } from '../command.ts';
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

const jobsOf = async (sessionId: string) =>
  (await db.sql.query('select from public.coding_jobs where session_id = $1', [sessionId])).rowCount;
const attemptsOf = async (jobIds: string[]) =>
  (await db.sql.query('select from private.job_attempts where job_id = any ($1)', [jobIds])).rowCount;
const archivedAt = async (sessionId: string): Promise<Date | null> =>
  (await db.sql.query('select archived_at from public.coding_sessions where id = $1', [sessionId])).rows[0]
    ?.archived_at;
const addEvent = ({ userId, sessionId, jobIds }: { userId: string; sessionId: string; jobIds: string[] }) =>
  db.sql.query(
    `insert into public.session_events (session_id, user_id, job_id, seq, created_at, type)
     values ($1, $2, $3, 1, now(), 'message')`,
    [sessionId, userId, jobIds[0]],
  );

describe('the sessions of a month that are archived', () => {
  it('keep their heads, and get jobs and attempts back row for row', async () => {
    const one = await fixture.fillSession('2024-01', 1_200);
    await fixture.fillSession('2024-01', 3);
    const before = await fixture.jobsDigest();
    expect(before.rows).toBe(3 * 1_203);
    const worker = (...args: string[]) => startCommand(args, { DATABASE_URL: db.url }).ended;

    const dry = await worker('archive', '--dry-run', '--to', fixture.directory, '--json');
    const month = { kind: 'sessions', name: 'coding_sessions_2024_01', rows: 1_203 };
    expect(JSON.parse(dry.stdout).would_archive).toMatchObject([month]);
    expect(await fixture.jobsDigest()).toEqual(before);

    const archived = await worker('archive', '2024-01', '--to', fixture.directory, '--json');
    expect(archived).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(archived.stdout).archived).toMatchObject([month]);
    expect(await fixture.jobsDigest()).toEqual({ rows: 0, digest: null });
    expect(await archivedAt(one.sessionId)).toBeInstanceOf(Date);

    expect((await worker('archives')).stdout).toMatch(
      /sessions +coding_sessions_2024_01 +archived +1,203 .+file:\/\//,
    );
    const restored = await worker('restore', '2024-01', '--json');
    expect(JSON.parse(restored.stdout).restored).toMatchObject([
      { kind: 'sessions', was_here: false, restored: 1_203, left_out: 0 },
    ]);
    expect(await fixture.jobsDigest()).toEqual(before);
    expect(await archivedAt(one.sessionId)).toBeNull();
    // What was brought back stays, until it is named; then it is the same archive.
    const months = await fixture.register.months();
    expect(monthsToArchive(months, [], 1)).toEqual([]);
    const { contents } = await fixture.archive('coding_sessions_2024_01');
    expect(contents).toMatchObject({ row_count: 1_203 });
    expect(await fixture.jobsDigest()).toEqual({ rows: 0, digest: null });
    // Four processes.
  }, 240_000);

  it('come back without those that were deleted since, of which is said how many', async () => {
    const kept = await fixture.fillSession('2024-02', 4);
    const deleted = await fixture.fillSession('2024-02', 3);
    await fixture.archive('coding_sessions_2024_02');
    await db.sql.query('delete from public.coding_sessions where id = $1', [deleted.sessionId]);
    expect(await fixture.restore('coding_sessions_2024_02')).toMatchObject({ restored: 4, left_out: 3 });
    expect(await jobsOf(kept.sessionId)).toBe(4);
    expect(await attemptsOf(kept.jobIds)).toBe(8);
    expect(await attemptsOf(deleted.jobIds)).toBe(0);
  });

  it('tell their owner once on the way out, and once on the way back', async () => {
    const { userId, sessionId } = await fixture.fillSession('2024-03', 20);
    const told = async () => (await broadcasts(db.sql, `user:${userId}`)).map(({ payload }) => payload);
    const [before, { cursor }] = [await told(), await syncPage(db, userId)];
    const message = { table: 'coding_sessions', rows: [{ id: sessionId, status: 'cancelled' }] };
    await fixture.archive('coding_sessions_2024_03');
    const out = await syncPage(db, userId, cursor);
    expect(out).toMatchObject({ coding_sessions: [{ id: sessionId }], coding_jobs: [] });
    expect(out.coding_sessions[0]?.archived_at).toEqual(expect.any(String));
    expect((await told()).slice(before.length)).toEqual([message]);

    await fixture.restore('coding_sessions_2024_03');
    const back = await syncPage(db, userId, out.cursor);
    expect(back.coding_sessions).toMatchObject([{ id: sessionId, archived_at: null }]);
    expect(back.coding_jobs).toHaveLength(20);
    expect((await told()).slice(before.length)).toEqual([message, message]);
  });

  it('count against no limit when they come back', async () => {
    const { userId } = await fixture.fillSession('2024-04', 5);
    await fixture.archive('coding_sessions_2024_04');
    // Not one more job a month, nor an open session.
    await db.sql.query('update public.profiles set jobs_used = 1000000 where id = $1', [userId]);
    const profile = async () =>
      (await db.sql.query('select * from public.profiles where id = $1', [userId])).rows[0];
    const before = await profile();
    expect(await fixture.restore('coding_sessions_2024_04')).toMatchObject({ restored: 5 });
    expect(await profile()).toEqual(before);
  });
});

describe('what stays', () => {
  it('is an open session, one with an open job, and one whose events are here', async () => {
    const gone = await fixture.fillSession('2024-05', 2);
    const open = await fixture.createSession();
    const openJob = await fixture.enqueue(open);
    await db.sql.query(
      "update public.coding_sessions set created_at = '2024-05-03T00:00:00Z' where id = $1",
      [open.sessionId],
    );
    const running = await fixture.fillSession('2024-05', 2);
    await db.sql.query(
      `insert into public.coding_jobs (user_id, session_id, prompt, status, worker_id, lease_expires_at)
       values ($1, $2, 'p', 'processing', 'w', now())`,
      [running.userId, running.sessionId],
    );
    const told = await fixture.fillSession('2024-05', 2);
    await addEvent(told);
    expect((await fixture.archive('coding_sessions_2024_05')).contents.row_count).toBe(2);
    expect(await jobsOf(gone.sessionId)).toBe(0);
    for (const { sessionId } of [open, running, told]) expect(await archivedAt(sessionId)).toBeNull();
    expect(await fixture.statusOf(openJob)).toBe('pending');
    expect(await jobsOf(running.sessionId)).toBe(3);
    expect(await jobsOf(told.sessionId)).toBe(2);
    expect(await fixture.eventsOf(told.sessionId)).toHaveLength(1);

    // It is taken when the month is brought back and archived anew.
    await fixture.restore('coding_sessions_2024_05');
    await db.sql.query('delete from public.session_events where session_id = $1', [told.sessionId]);
    expect((await fixture.archive('coding_sessions_2024_05')).contents.row_count).toBe(4);
  });

  it('is a month of which nothing may go: it is looked at again next time', async () => {
    const told = await fixture.fillSession('2024-06', 2);
    await addEvent(told);
    expect((await fixture.archive('coding_sessions_2024_06')).contents.row_count).toBe(0);
    expect((await fixture.monthOf('coding_sessions_2024_06')).state).toBe('live');
    expect(await jobsOf(told.sessionId)).toBe(2);
  });

  it('is what changed after it was stored: it is archived anew', async () => {
    const { jobIds, sessionId, ...rest } = await fixture.fillSession('2024-07', 2);
    const { store } = fixture.options;
    for (const change of [
      () => db.sql.query("update public.coding_jobs set prompt = 'changed' where id = $1", [jobIds[0]]),
      () => db.sql.query("update private.job_attempts set error = 'changed' where job_id = $1", [jobIds[1]]),
    ]) {
      let isChanged = false;
      fixture.steps.length = 0;
      await fixture.archive('coding_sessions_2024_07', {
        store: {
          ...store,
          read: async (name) => {
            if (!isChanged) await change();
            isChanged = true;
            return store.read(name);
          },
        },
      });
      expect(fixture.steps.join()).toContain('it has changed since it was stored');
      const before = await archivedAt(sessionId);
      expect(before).toBeInstanceOf(Date);
      await fixture.restore('coding_sessions_2024_07');
    }
    // An event that comes meanwhile keeps its session here, with nothing of it lost.
    let isWritten = false;
    const { contents } = await fixture.archive('coding_sessions_2024_07', {
      store: {
        ...store,
        read: async (name) => {
          if (!isWritten) await addEvent({ ...rest, sessionId, jobIds });
          isWritten = true;
          return store.read(name);
        },
      },
    });
    expect(contents.row_count).toBe(0);
    expect(await jobsOf(sessionId)).toBe(2);
    expect(await fixture.eventsOf(sessionId)).toHaveLength(1);
    const { rows } = await db.sql.query(
      "select (select prompt from public.coding_jobs where id = $1) as prompt, (select string_agg(distinct error, '') from private.job_attempts where job_id = $2) as error",
      [jobIds[0], jobIds[1]],
    );
    expect(rows).toEqual([{ prompt: 'changed', error: 'changed' }]);
  });

  it('is all that no archive in the register allows to drop, and what is too young', async () => {
    await fixture.fillSession('2024-08', 1);
    const name = 'coding_sessions_2024_08';
    await db.asWorker(async (client) => {
      const refused = (sql: string, values: unknown[], code: string) =>
        expect(client.query(sql, values)).rejects.toMatchObject({ code });
      await refused('select private.drop_archived_sessions($1, $2)', [name, 'x'], 'MV007');
      const record = 'select private.record_session_archive($1, $2, 1, 1, 1, $3, $4)';
      await client.query(record, [name, 'file:///nowhere/a/b', 'right', '1']);
      await refused('select private.drop_archived_sessions($1, $2)', [name, 'wrong'], 'MV007');
      // Of other rows: forgotten, and nothing is deleted.
      const { rows } = await client.query('select private.drop_archived_sessions($1, $2) as gone', [
        name,
        'right',
      ]);
      expect(rows).toEqual([{ gone: false }]);
      await refused('delete from public.coding_jobs', [], '42501');
      await refused('update private.session_archives set row_count = 0', [], '42501');
    });
    expect((await fixture.monthOf(name)).state).toBe('live');

    const last = new Date();
    last.setUTCMonth(last.getUTCMonth() - 1, 1);
    const month = last.toISOString().slice(0, 7);
    await fixture.fillSession(month, 1);
    const young = `coding_sessions_${month.replace('-', '_')}`;
    await db.asWorker(async (client) => {
      const record = 'select private.record_session_archive($1, $2, 1, 1, 1, $3, $4)';
      await client.query(record, [young, 'file:///nowhere/a/b', 'sum', '1']);
      await expect(
        client.query('select private.drop_archived_sessions($1, $2)', [young, 'sum']),
      ).rejects.toMatchObject({ code: 'MV007', message: `${young} is too young to be dropped` });
    });
    // Stored and not dropped: noticed as such.
    const { rows } = await db.asWorker((client) =>
      client.query("select subject from private.measurements() where check_name = 'stuck_archive'"),
    );
    expect(rows).toEqual([{ subject: young }]);
    await db.sql.query('delete from private.session_archives where name = $1', [young]);
    const months = await fixture.register.months();
    expect(() => monthsToArchive(months, [young], 12)).toThrow(`${young} is too young`);
  });
});

describe('an archive of sessions that somebody changed', () => {
  const name = 'coding_sessions_2024_09';

  it('is refused, and nothing changes', async () => {
    const { sessionId } = await fixture.fillSession('2024-09', 50);
    const before = await fixture.jobsDigest();
    const { location } = await fixture.archive(name);
    const folder = join(fixture.directory, ...location.split('/').slice(-2));
    const path = join(folder, String((await readdir(folder))[0]));
    const content = await readFile(path);
    const changed = Buffer.from(content);
    changed.writeUInt8(changed.readUInt8(4) ^ 1, 4);
    await writeFile(path, changed);
    const gone = await fixture.jobsDigest();
    await expect(fixture.restore(name)).rejects.toMatchObject({
      message: expect.stringContaining(`is not the archive of ${name}`),
      fix: expect.stringContaining('--from'),
    });
    expect(await fixture.jobsDigest()).toEqual(gone);
    expect(await archivedAt(sessionId)).toBeInstanceOf(Date);
    await writeFile(path, content);
    await fixture.restore(name);
    expect(await fixture.jobsDigest()).toEqual(before);
  });

  it('cannot be slipped in past the register', async () => {
    const { sessionId, userId } = await fixture.fillSession('2024-09', 1);
    await fixture.archive(name);
    const gone = await fixture.jobsDigest();
    await db.asWorker(async (client) => {
      const refused = (sql: string, code: string) =>
        expect(client.query(sql, [name])).rejects.toMatchObject({ code });
      await refused('select private.end_session_restore($1)', 'MV007');
      await client.query('select private.begin_session_restore($1)', [name]);
      const line = JSON.stringify({
        id: crypto.randomUUID(),
        session_id: sessionId,
        user_id: userId,
        prompt: 'p',
      });
      await client.query('select private.restore_session_lines($1, $2)', [name, [line]]);
      await refused('select private.end_session_restore($1)', 'MV008');
    });
    expect(await fixture.jobsDigest()).toEqual(gone);
    await fixture.restore(name);
    await db.asWorker((client) =>
      expect(client.query('select private.begin_session_restore($1)', [name])).rejects.toMatchObject({
        code: 'MV007',
      }),
    );
  });
});

describe('a month of events', () => {
  it('does not come back before the sessions that it belongs to', async () => {
    const { sessionId, jobId } = await fixture.fill('2024-11', 30);
    // Opened in the month before; over.
    await db.sql.query(
      "update public.coding_sessions set created_at = '2024-10-31T00:00:00Z' where id = $1",
      [sessionId],
    );
    await db.sql.query('update public.coding_jobs set cancel_requested_at = now() where id = $1', [jobId]);
    await db.sql.query("update public.coding_sessions set status = 'cancelled' where id = $1", [sessionId]);
    const before = await fixture.eventsOf(sessionId);
    await fixture.archive('session_events_2024_11');
    await fixture.archive('coding_sessions_2024_10');
    expect(await archivedAt(sessionId)).toBeInstanceOf(Date);
    expect(await jobsOf(sessionId)).toBe(0);

    await expect(fixture.restore('session_events_2024_11')).rejects.toMatchObject({
      message: 'session_events_2024_11 holds events of sessions that are archived',
      fix: 'Restore coding_sessions_2024_10 first, then this month again.',
    });
    expect(await fixture.eventsOf(sessionId)).toEqual([]);
    expect(await fixture.restore('coding_sessions_2024_10')).toMatchObject({ restored: 1, left_out: 0 });
    expect(await fixture.restore('session_events_2024_11')).toMatchObject({ restored: 30, left_out: 0 });
    expect(await fixture.eventsOf(sessionId)).toEqual(before);
  });

  it('keeps its sessions here as soon as it is bound to them', async () => {
    await fixture.archive('session_events_2024_11');
    const { options } = fixture;
    // What a restore leaves that is killed when its rows were checked, and are not attached yet.
    const month = await fixture.monthOf('session_events_2024_11');
    const { store, folder } = options.locate(String(month.location));
    await options.register.beginRestore(month);
    await readParts(
      1,
      async (part) => (await store.read(partName(folder, part))) as Buffer,
      (lines) => options.register.restoreLines(month, lines),
    );
    await db.asWorker((client) =>
      client.query("select private.check_event_restore('session_events_2024_11')"),
    );
    await expect(fixture.archive('coding_sessions_2024_10')).rejects.toMatchObject({
      message: 'session_events_2024_11 is being restored',
    });
    expect(await fixture.restore('session_events_2024_11')).toMatchObject({ restored: 30, left_out: 0 });
  });
});

it('months are archived events first, a month earlier, and restored sessions first', async () => {
  const months = await fixture.register.months();
  const month = { ...(await fixture.monthOf('coding_sessions_2024_08')), state: 'live' as const };
  const both = ['events', 'sessions'].flatMap((kind) =>
    [3, 4].map((age) => ({ ...month, kind: kind as 'events' | 'sessions', age })),
  );
  expect(monthsToArchive(both, [], 3).map(({ kind, age }) => [kind, age])).toEqual([
    ['events', 3],
    ['events', 4],
    ['sessions', 4],
  ]);
  const ordered = monthsToRestore(months, '2024-11').map(({ name }) => name);
  expect(ordered).toEqual(['session_events_2024_11']);
  const named = [month, { ...month, kind: 'events' as const, name: 'session_events_2024_08' }];
  expect(monthsToRestore(named, '2024-08').map(({ kind }) => kind)).toEqual(['sessions', 'events']);
});
