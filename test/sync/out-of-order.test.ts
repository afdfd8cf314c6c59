import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createMemoryStore, type MemoryStore } from '../../packages/sync/src/index.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { randomFrom, writeOutOfOrder } from './schedule.ts';
import { createWork, syncPage } from './support.ts';

const SEEDS = Array.from({ length: 12 }, (_, index) => index + 1);
const STEPS = 150;
const TABLES = ['projects', 'coding_sessions', 'coding_jobs'] as const;
const BOOKKEEPING = {
  projects: [],
  coding_sessions: ['expires_at', 'last_activity_at', 'last_event_seq', 'updated_at'],
  coding_jobs: ['worker_id', 'lease_expires_at', 'updated_at'],
};

let db: TestDatabase;
let user: string;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());
beforeEach(async () => {
  user = await db.createUser({ tier: 'enterprise' });
});

type Tables = Record<(typeof TABLES)[number], unknown[]>;

/** Every row of the user, as the tables hold it. */
async function truth(of = db): Promise<Tables> {
  const tables: Partial<Tables> = {};
  for (const table of TABLES) {
    const { rows } = await of.sql.query(
      `select to_jsonb(t) - $2::text[] as row from public.${table} as t where user_id = $1 order by id`,
      [user, ['user_id', 'changed_xid', ...BOOKKEEPING[table]]],
    );
    tables[table] = rows.map(({ row }) => row);
  }
  return tables as Tables;
}

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
const copyOf = (store: MemoryStore): Tables => ({
  projects: [...store.projects.values()].sort(byId),
  coding_sessions: [...store.coding_sessions.values()].sort(byId),
  coding_jobs: [...store.coding_jobs.values()].sort(byId),
});

/** The copy that a reader has at the end, who pulls a page now and then while others write. */
async function copyMeanwhile(of: TestDatabase, seed: number): Promise<MemoryStore> {
  const random = randomFrom(-seed);
  const store = createMemoryStore();
  // One page at a time, so that writes fall between the pages of a pass as well.
  const readPage = async () => {
    const { more, ...changes } = await syncPage(of, user, await store.cursor(), 1 + Math.floor(random() * 6));
    store.apply(changes);
    return more;
  };
  await writeOutOfOrder(of, user, { seed, steps: STEPS, read: async () => void (await readPage()) });
  // The pass that was interrupted, and the one from its beginning.
  while (await readPage());
  while (await readPage());
  return store;
}

describe('writers that commit out of order', () => {
  test.each(SEEDS)('leave a copy that is kept by cursor equal to the database, seed %i', async (seed) => {
    const store = await copyMeanwhile(db, seed);
    expect(copyOf(store)).toEqual(await truth());
  });

  test('would not, were the cursor to take every transaction that is open for done', async () => {
    const careless = await createTestDatabase();
    try {
      const { rows } = await careless.sql.query(
        `select pg_get_functiondef('public.sync_changes(text, integer)'::regprocedure) as sql`,
      );
      const now = 'v_now pg_snapshot := pg_current_snapshot()';
      const done = `v_now pg_snapshot := format('%s:%1$s:', pg_snapshot_xmax(pg_current_snapshot()))`;
      expect(rows[0].sql).toContain(now);
      await careless.sql.query(rows[0].sql.replace(now, () => done));
      user = await careless.createUser({ tier: 'enterprise' });
      const store = await copyMeanwhile(careless, 1);
      expect(copyOf(store)).not.toEqual(await truth(careless));
    } finally {
      await careless.drop();
    }
  });

  test('leave a copy that is kept by a clock without rows that the database has', async () => {
    const missed: number[] = [];
    for (const seed of SEEDS.slice(0, 4)) {
      user = await db.createUser({ tier: 'enterprise' });
      const copy = new Map<string, unknown>();
      let cursor = '-infinity';
      const read = async () => {
        const { rows } = await db.sql.query(
          `select to_jsonb(p) - array['user_id', 'changed_xid'] as row, p.updated_at::text as at
           from public.projects as p where user_id = $1 and updated_at > $2 order by updated_at`,
          [user, cursor],
        );
        for (const { row, at } of rows) {
          copy.set(row.id, row);
          cursor = at;
        }
      };
      await writeOutOfOrder(db, user, { seed, steps: STEPS, read });
      await read();
      const { projects } = await truth();
      missed.push(
        projects.filter((row) => JSON.stringify(copy.get((row as { id: string }).id)) !== JSON.stringify(row))
          .length,
      );
    }
    expect(missed.every((count) => count > 0)).toBe(true);
  });
});

test('writers and a reader that wait for nobody leave the copy equal to the database', async () => {
  const store = createMemoryStore();
  const works = await Promise.all(Array.from({ length: 8 }, () => createWork(db, user, 2)));
  let writing = works.length;
  const write = async (work: Awaited<ReturnType<typeof createWork>>, seed: number) => {
    const random = randomFrom(seed);
    for (let round = 0; round < 15; round++) {
      await db.asServiceRole(async (client) => {
        await client.query('update public.projects set name = $2 where id = $1', [
          work.project,
          String(random()),
        ]);
        await client.query('update public.coding_jobs set priority = $2 where id = $1', [
          work.jobs[round % 2],
          Math.floor(random() * 100),
        ]);
        await client.query('select pg_sleep($1)', [random() / 50]);
      });
    }
    writing -= 1;
  };
  const read = async () => {
    for (let more = true; more || writing > 0; ) {
      const { more: further, ...changes } = await syncPage(db, user, await store.cursor(), 5);
      store.apply(changes);
      more = further;
    }
  };
  await Promise.all([...works.map(write), read()]);
  const { more: _, ...last } = await syncPage(db, user, await store.cursor());
  store.apply(last);
  expect(copyOf(store)).toEqual(await truth());
}, 60_000);
