import { afterAll, beforeAll, expect, it } from 'vitest';
import { followSession } from '../../../../packages/sync/src/index.ts';
import { contractTarget, startOwn, type Target } from '../../../../test/api/target.ts';
import { until } from '../support.ts';
import { type ArchiveFixture, createArchiveFixture } from './support.ts';

let own: Awaited<ReturnType<typeof startOwn>>;
let target: Target;
let fixture: ArchiveFixture;
beforeAll(async () => {
  own = await startOwn();
  target = await contractTarget(own.environment);
  fixture = await createArchiveFixture(own.database, { url: target.url, key: target.secret });
});
afterAll(async () => {
  await fixture?.close();
  await own?.stop();
});

it('a month goes to Storage, for nobody else to read, and comes back', async () => {
  await fixture.fill('2024-01', 500);
  const before = await fixture.digest();
  const { location, contents } = await fixture.archive('2024-01');
  expect(location).toMatch(/^storage:\/\/event-archives\/session_events_2024_01\/[0-9a-f-]{36}$/);
  expect(await fixture.digest()).toEqual({ rows: 0, digest: null });

  const { client } = await target.user();
  for (const stranger of [client, target.client()]) {
    const bucket = stranger.storage.from('event-archives');
    const name = `${location.replace('storage://event-archives/', '')}/00001.jsonl.gz`;
    expect((await bucket.download(name)).error).toMatchObject({ message: expect.any(String) });
    expect((await bucket.list('session_events_2024_01')).data ?? []).toEqual([]);
    expect((await bucket.upload(name, 'x', { upsert: true })).error).toMatchObject({
      message: expect.any(String),
    });
  }

  await fixture.restore('2024-01');
  expect(await fixture.digest()).toEqual(before);
  const again = await fixture.archive('2024-01');
  expect(again.contents).toMatchObject({ row_count: 500, row_checksum: contents.row_checksum });
  // The archive that this one replaces is not kept.
  expect(await fixture.options.store.list('session_events_2024_01')).toEqual([
    `${again.location.replace('storage://event-archives/', '')}/00001.jsonl.gz`,
  ]);
  await fixture.restore('2024-01');
});

it('a phone that follows a session is given what is here of it, and what comes', async () => {
  const { client, id: userId } = await target.user();
  const { sessionId, jobId } = await fixture.fill('2024-02', 20);
  const { sql } = own.database;
  // The session is this user's, and goes on today.
  const [project] = (
    await sql.query("insert into public.projects (user_id, name) values ($1, 'p') returning id", [userId])
  ).rows;
  await sql.query('delete from public.session_events where session_id = $1', [sessionId]);
  await sql.query('delete from public.coding_jobs where id = $1', [jobId]);
  await sql.query('update public.coding_sessions set user_id = $2, project_id = $3 where id = $1', [
    sessionId,
    userId,
    project.id,
  ]);
  const job = await fixture.enqueue({ userId, sessionId });
  await sql.query(
    `insert into public.session_events (session_id, user_id, job_id, seq, created_at, type)
     select $1, $2, $3, n, '2024-02-01T00:00:00Z', 'message' from generate_series(1, 20) as n`,
    [sessionId, userId, job],
  );
  await fixture.archive('2024-02');
  await sql.query("select private.claim_jobs('writer', 100, interval '1 hour')");
  const { attempt } = await fixture.jobOf(job);
  const append = () =>
    sql.query(`select private.append_session_events($1, 'writer', $2, '[{"type":"message"}]')`, [
      job,
      attempt,
    ]);

  const seqs: number[] = [];
  const following = followSession(client, sessionId, ({ seq }) => seqs.push(seq), {
    checkEveryMs: 3_600_000,
  });
  try {
    let asked = 0;
    const rpc = client.rpc.bind(client);
    client.rpc = ((...args: Parameters<typeof rpc>) => {
      asked += 1;
      return rpc(...args);
    }) as typeof client.rpc;
    await until(() => following.status === 'live');
    expect(seqs).toEqual([]);
    // The first one leaves a gap, so that it asks once more; from then on it goes by what it hears.
    for (let last = 21; last <= 24; last++) {
      await append();
      await until(() => following.seq === last);
    }
    expect(seqs).toEqual([21, 22, 23, 24]);
    expect(asked).toBeLessThanOrEqual(4);
  } finally {
    following.close();
    await client.removeAllChannels();
    await client.realtime.disconnect();
  }
});
