import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { TestDatabase } from '../harness/database.ts';
import { createWork } from './support.ts';

const WRITERS = 6;

/** A seeded generator of numbers in [0, 1): mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Writer {
  client: pg.Client;
  open: boolean;
  /** Rows that its open transaction has locked. */
  held: Set<string>;
}

type Write = [sql: string, values: unknown[], id: string];

/**
 * Writes as many clients at once that hold their transactions open and commit in any order, one step at a time, so
 * that a seed gives the same order every time. Between the steps `read` is called now and then.
 */
export async function writeOutOfOrder(
  db: TestDatabase,
  user: string,
  { seed, steps, read }: { seed: number; steps: number; read(): Promise<void> },
): Promise<void> {
  const random = randomFrom(seed);
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
  const works = [await createWork(db, user, 3), await createWork(db, user, 3)];
  const rows = {
    projects: works.map((work) => work.project),
    coding_sessions: works.map((work) => work.session),
    coding_jobs: works.flatMap((work) => work.jobs),
  };
  const writers: Writer[] = [];
  for (let index = 0; index < WRITERS; index++) {
    const client = new pg.Client({ connectionString: db.url });
    await client.connect();
    writers.push({ client, open: false, held: new Set() });
  }

  const chooseWrite = (): Write => {
    const text = String(random());
    const project = pick(rows.projects) as string;
    const session = pick(rows.coding_sessions) as string;
    const job = pick(rows.coding_jobs) as string;
    const created = randomUUID();
    const choices: Write[] = [
      ['insert into public.projects (id, user_id, name) values ($1, $2, $3)', [created, user, text], created],
      ['update public.projects set name = $2 where id = $1', [project, text], project],
      ['update public.projects set description = $2 where id = $1', [project, text], project],
      [
        `update public.coding_sessions set metadata = jsonb_build_object('at', $2::text) where id = $1`,
        [session, text],
        session,
      ],
      ['update public.coding_sessions set last_activity_at = now() where id = $1', [session], session],
      [
        `update public.coding_jobs set result = jsonb_build_object('at', $2::text) where id = $1`,
        [job, text],
        job,
      ],
      ['update public.coding_jobs set priority = $2 where id = $1', [job, Math.floor(random() * 100)], job],
    ];
    return pick(choices) as Write;
  };

  try {
    for (let step = 0; step < steps; step++) {
      if (random() < 0.3) await read();
      const writer = pick(writers) as Writer;
      if (writer.open && random() < 0.35) {
        await writer.client.query(random() < 0.85 ? 'commit' : 'rollback');
        writer.open = false;
        writer.held.clear();
        continue;
      }
      const [sql, values, id] = chooseWrite();
      // A row that another open transaction has locked would stop the schedule.
      if (writers.some((other) => other !== writer && other.held.has(id))) continue;
      if (!writer.open) await writer.client.query('begin');
      writer.open = true;
      await writer.client.query(sql, values);
      writer.held.add(id);
    }
    for (const writer of writers.filter(({ open }) => open)) await writer.client.query('commit');
  } finally {
    for (const { client } of writers) await client.end();
  }
}
