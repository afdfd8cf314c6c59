import { randomUUID } from 'node:crypto';
import { type AppClient, createAppClient, type FallbackReason, isReplicaWrite } from '@mobvibe/db';
import type { Server } from '@mobvibe/local';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { startNode } from './node.ts';
import { type StreamingReplica, startReplica } from './streaming-replica.ts';

let primary: Server;
let replica: StreamingReplica;
let sql: pg.Client;
/** On the replica, as the superuser. */
let control: pg.Client;
let db: AppClient;
let alice: string;
let bob: string;
const fallbacks: FallbackReason[] = [];

beforeAll(async () => {
  primary = await startNode();
  replica = await startReplica(primary);
  sql = await connect(primary.url);
  control = await connect(replica.adminUrl);
  db = createAppClient({
    url: primary.url,
    replicaUrl: replica.url,
    onFallback: (reason) => fallbacks.push(reason),
  });
  [alice, bob] = [await signUp(), await signUp()];
});
afterAll(async () => {
  await db?.$disconnect();
  await Promise.all([sql?.end(), control?.end()]);
  await replica?.close();
  await primary?.stop({ remove: true });
});
afterEach(async () => {
  await control.query('select pg_wal_replay_resume()').catch(() => {});
  fallbacks.length = 0;
});

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function signUp(): Promise<string> {
  const id = randomUUID();
  await sql.query('insert into auth.users (id, email) values ($1, $2)', [id, `${id}@example.com`]);
  return id;
}

const claimsOf = (sub: string) => ({ sub, role: 'authenticated' });
const create = (user: string, name: string) => db.asUser(claimsOf(user)).project.create({ data: { name } });
const pause = () => control.query('select pg_wal_replay_pause()');
const resume = () => control.query('select pg_wal_replay_resume()');
/** Which server answers: only a replica is in recovery. */
const isReplica = async (client: ReturnType<AppClient['asUser']>) => {
  const [row] = await client.$queryRaw<{ is: boolean }[]>`select pg_is_in_recovery() as "is"`;
  return row?.is;
};
/** Raw SQL that does not look like a write. */
const hiddenWrite = (client: ReturnType<AppClient['asUser']>) =>
  client.$queryRaw`with made as (insert into public.projects (name) values ('x') returning id) select * from made`;
/** Waits until the replica has everything, without the client under test. */
const caughtUp = async () => {
  const { rows } = await sql.query('select pg_current_wal_insert_lsn() as position');
  await vi.waitFor(
    async () => {
      const { rows: replayed } = await control.query('select pg_last_wal_replay_lsn() >= $1 as has', [
        rows[0].position,
      ]);
      expect(replayed[0].has).toBe(true);
    },
    { timeout: 20_000 },
  );
};

describe('a read that may be stale', () => {
  test('is answered by the replica, and is stale while that does not replay', async () => {
    await create(alice, 'before');
    await caughtUp();
    await pause();
    const made = await create(alice, 'after');
    const stale = db.onReplica().asUser(claimsOf(alice));
    expect(await isReplica(stale)).toBe(true);
    expect(await stale.project.findUnique({ where: { id: made.id } })).toBeNull();
    expect(await stale.project.count()).toBe(1);
    expect(await db.asUser(claimsOf(alice)).project.count()).toBe(2);
    expect(fallbacks).toEqual([]);
    await resume();
    await caughtUp();
    expect(await stale.project.count()).toBe(2);
  });

  test('sees what was written before its position, as soon as the replica has it', async () => {
    await pause();
    const made = await create(alice, 'mine');
    const after = await db.position();
    const reading = db
      .onReplica({ after, waitMs: 20_000 })
      .asUser(claimsOf(alice))
      .$transaction(async (tx) => ({
        row: await tx.project.findUnique({ where: { id: made.id } }),
        server: await tx.$queryRaw`select pg_is_in_recovery() as "is"`,
      }));
    // The read is on the replica by now, and waits.
    await vi.waitFor(async () => {
      const { rows } = await control.query(
        "select from pg_stat_activity where usename = 'mobvibe_app' and query like '%pg_last_wal_replay_lsn%'",
      );
      expect(rows.length).toBeGreaterThan(0);
    });
    await resume();
    expect(await reading).toMatchObject({ row: { id: made.id }, server: [{ is: true }] });
    expect(fallbacks).toEqual([]);
  });

  test('comes from the primary when the replica does not get there in time', async () => {
    await pause();
    const made = await create(alice, 'soon');
    const after = await db.position();
    const mine = db.onReplica({ after, waitMs: 50 }).asUser(claimsOf(alice));
    expect(await mine.project.findUnique({ where: { id: made.id } })).toMatchObject({ id: made.id });
    expect(fallbacks).toEqual(['late']);
    expect(await isReplica(mine)).toBe(false);
  });

  test('keeps its promise for writes that do not wait for the disk, and for those that do', async () => {
    for (const setting of ['off', 'on']) {
      await sql.query(`alter role mobvibe_app set synchronous_commit = ${setting}`);
      const fresh = createAppClient({ url: primary.url, replicaUrl: replica.url });
      try {
        const mine = fresh.asUser(claimsOf(alice));
        for (let n = 0; n < 5; n++) {
          const made = await mine.project.create({ data: { name: `${setting} ${n}` } });
          const after = await fresh.position();
          const read = fresh.onReplica({ after, waitMs: 20_000 }).asUser(claimsOf(alice));
          expect(await read.project.findUnique({ where: { id: made.id } })).not.toBeNull();
        }
      } finally {
        await fresh.$disconnect();
        await sql.query('alter role mobvibe_app reset synchronous_commit');
      }
    }
  });

  test.each(['', 'x', '0/', "0/0'; select 1", '1/123456789'])('refuses %j for a position', (after) => {
    expect(() => db.onReplica({ after })).toThrow('is no position');
  });
});

test('a single read that the replica ends is answered by the primary', async () => {
  // Advisory locks are each server's own: the read waits on the replica, and would not on the primary.
  await control.query('select pg_advisory_lock(7)');
  const reading = db.onReplica().asUser(claimsOf(alice))
    .$queryRaw`select pg_is_in_recovery() as "is" from pg_advisory_lock_shared(7) as l`.then((rows) => rows);
  await vi.waitFor(
    async () => {
      const { rows } = await control.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'advisory'",
      );
      expect(rows).toHaveLength(1);
    },
    { timeout: 20_000 },
  );
  expect(await reading).toEqual([{ is: false }]);
  expect(fallbacks).toEqual(['ended']);
  await control.query('select pg_advisory_unlock(7)');
});

describe('on the replica, row-level security', () => {
  test('shows a user the own rows only, and nobody anything', async () => {
    const made = await create(alice, 'secret');
    await create(bob, 'his');
    await caughtUp();
    const stale = db.onReplica();
    const his = stale.asUser(claimsOf(bob));
    expect(await his.project.findMany()).toMatchObject([{ userId: bob, name: 'his' }]);
    expect(await his.project.findUnique({ where: { id: made.id } })).toBeNull();
    expect(await his.$queryRaw`select name from public.projects where user_id <> auth.uid()`).toEqual([]);
    await expect(stale.asAnon().project.findMany()).rejects.toThrow('denied');
    const nobody = await connect(
      Object.assign(new URL(replica.url), { username: 'mobvibe_app', password: 'mobvibe_app' }).href,
    );
    await expect(nobody.query('select * from public.projects')).rejects.toMatchObject({ code: '42501' });
    await nobody.end();
    expect(fallbacks).toEqual([]);
  });

  test('holds for many at once, each on behalf of somebody, on either server', async () => {
    await caughtUp();
    const counted = await Promise.all(
      Array.from({ length: 60 }, async (_, n) => {
        const user = n % 2 ? alice : bob;
        const from = n % 3 ? db.onReplica() : db;
        const rows = await from.asUser(claimsOf(user)).project.findMany();
        return rows.length > 0 && rows.every(({ userId }) => userId === user);
      }),
    );
    expect(counted).toEqual(counted.map(() => true));
  });
});

describe('a write by way of the replica', () => {
  const stale = () => db.onReplica().asUser(claimsOf(alice));
  test.each([
    ['create', () => stale().project.create({ data: { name: 'x' } })],
    ['updateMany', () => stale().project.updateMany({ data: { name: 'x' } })],
    ['deleteMany', () => stale().project.deleteMany()],
    ['in a transaction', () => stale().$transaction((tx) => tx.project.create({ data: { name: 'x' } }))],
    ['$executeRaw', () => stale().$executeRaw`update public.projects set name = 'x'`],
  ])('is refused before anything is sent: %s', async (_, write) => {
    const refused = await write().catch((error: unknown) => error);
    expect(isReplicaWrite(refused)).toBe(true);
    expect(String(refused)).toContain('writes, and a replica is only read');
  });
  test('is refused by the server where it hides in raw SQL, and where the primary answers, too', async () => {
    await expect(hiddenWrite(stale())).rejects.toThrow('25006');
    await pause();
    await create(alice, 'y');
    const late = db.onReplica({ after: await db.position(), waitMs: 0 }).asUser(claimsOf(alice));
    await expect(hiddenWrite(late)).rejects.toThrow('25006');
    await expect(
      late.$transaction(async (tx) => {
        await tx.$queryRaw`select set_config('transaction_read_only', 'off', true)`;
        await hiddenWrite(tx as typeof late);
      }),
    ).rejects.toThrow('25001');
    expect(new Set(fallbacks)).toEqual(new Set(['late']));
    // The connection is the next one's, who may write.
    await expect(create(alice, 'z')).resolves.toMatchObject({ name: 'z' });
  });
});

test('sync_changes refuses to run on a replica, which does not know what is open', async () => {
  const slow = await connect(primary.url);
  try {
    await slow.query('begin');
    const { rows } = await slow.query('select pg_current_xact_id()::text as xid');
    await create(alice, 'later');
    await caughtUp();
    // Why: a snapshot of the replica takes the open transaction for one that is over.
    const seen = 'select pg_visible_in_snapshot($1::xid8, pg_current_snapshot()) as over';
    expect((await control.query(seen, [rows[0].xid])).rows).toEqual([{ over: true }]);
    expect((await sql.query(seen, [rows[0].xid])).rows).toEqual([{ over: false }]);
  } finally {
    await slow.end();
  }
  const stale = db.onReplica().asUser(claimsOf(alice));
  await expect(stale.$queryRaw`select public.sync_changes()`).rejects.toThrow('primary');
});

test('without a replica the primary answers, and writes are refused all the same', async () => {
  const alone = createAppClient({ url: primary.url });
  try {
    const mine = alone.onReplica().asUser(claimsOf(alice));
    expect(await isReplica(mine)).toBe(false);
    await expect(mine.project.create({ data: { name: 'x' } })).rejects.toSatisfy(isReplicaWrite);
    await expect(hiddenWrite(mine)).rejects.toThrow('25006');
  } finally {
    await alone.$disconnect();
  }
});

// The last: the replica is gone afterwards.
test('when the replica goes away, the primary answers', async () => {
  await caughtUp();
  const stale = db.onReplica().asUser(claimsOf(alice));
  expect(await isReplica(stale)).toBe(true);
  const before = await stale.project.count();
  await replica.crash();
  for (let n = 0; n < 20; n++) expect(await stale.project.count()).toBe(before);
  expect(await isReplica(stale)).toBe(false);
  expect(fallbacks).toContain('unreachable');
});
