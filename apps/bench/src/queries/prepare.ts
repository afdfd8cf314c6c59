import { readFile } from 'node:fs/promises';
import { connect, step, type Target } from '@mobvibe/cli';
import { progressOn, seed } from '@mobvibe/seed';
import type pg from 'pg';
import type { Asker } from '../core/common-queries.ts';
import { type Operation, type Prepared, runOnce } from './operations.ts';

const ASKERS = 100;
const WORKER = 'bench-queries';
const NOTHING: Prepared = { askers: [], held: { id: '', attempt: 0, workerId: '' }, cursor: '' };

/** As autovacuum would leave them. */
const VACUUM = `vacuum (analyze)
  public.profiles, public.projects, public.coding_sessions, public.coding_jobs, public.session_events,
  private.job_attempts`;

/**
 * Seeds a database with so many events and what belongs to them, twelve months of it, and makes everything ready for
 * `operations`.
 * @param admin a superuser's
 */
export async function prepare(
  { target, admin }: { target: Target; admin: Target },
  events: number,
  signal: AbortSignal,
): Promise<Prepared> {
  const name = `${events.toLocaleString('en')} events and what belongs to them`;
  await step(name, (progress) =>
    seed(
      { url: target.url },
      {
        scale: 'growth',
        events,
        now: new Date(),
        signal,
        onProgress: progressOn(progress),
      },
    ),
  );
  const client = await connect(admin);
  try {
    return await step('askers and statistics', () => makeReady(client));
  } finally {
    await client.end();
  }
}

/**
 * Makes a seeded database ready for `operations`.
 * @param client a superuser's
 */
export async function makeReady(client: pg.Client): Promise<Prepared> {
  const askers = await makeAskers(client);
  await client.query(VACUUM);
  await client.query('checkpoint');
  return { askers, held: await holdOne(client), cursor: await cursorOf(client, askers[0] as Asker) };
}

async function makeAskers(client: pg.Client): Promise<Asker[]> {
  const sql = await readFile(new URL('prepare.sql', import.meta.url), 'utf8');
  await client.query('begin');
  await client.query(`select set_config('bench.askers', $1, true)`, [String(ASKERS)]);
  const results = (await client.query(sql)) as unknown as pg.QueryResult<Asker>[];
  await client.query('commit');
  const askers = results.at(-1)?.rows ?? [];
  if (askers.length === 0) throw new Error('nobody has a session with events');
  return askers;
}

async function holdOne(client: pg.Client): Promise<Prepared['held']> {
  await client.query('select private.register_worker($1, $1, $2, $1)', [WORKER, process.pid]);
  const { rows } = await client.query<{ id: string; attempt: number }>(
    `select id, attempt from private.claim_jobs($1, 1, interval '1 day')`,
    [WORKER],
  );
  const [job] = rows;
  if (!job) throw new Error('no job can be claimed');
  return { ...job, workerId: WORKER };
}

/** A cursor holds a moment, not a user: it is everybody's. */
async function cursorOf(client: pg.Client, asker: Asker): Promise<string> {
  let answer: { cursor: string | null; more: boolean } = { cursor: null, more: true };
  while (answer.more) {
    const { cursor } = answer;
    const sync: Operation = {
      name: 'sync_changes',
      as: 'authenticated',
      query: () => ({ text: 'select public.sync_changes($1) as answer', values: [cursor] }),
    };
    const { rows } = await runOnce<{ answer: typeof answer }>(client, sync, NOTHING, asker);
    ({ answer } = rows[0] as (typeof rows)[0]);
  }
  return answer.cursor as string;
}
