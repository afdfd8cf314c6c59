import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRandom } from '../../../../test/chaos/random.ts';
import { createTestDatabase, type TestDatabase } from '../../../../test/harness/database.ts';
import { problemOf } from '../../src/archive/archive.ts';
import { until } from '../support.ts';
import { type Step, stepwise } from './stepwise.ts';
import { type ArchiveFixture, createArchiveFixture } from './support.ts';

const MONTH = '2024-01';
const KILLS = 5;
const seed = Number(process.env.SEED ?? 6);

let db: TestDatabase;
let fixture: ArchiveFixture;
let kills = 0;
beforeAll(async () => {
  db = await createTestDatabase();
  fixture = await createArchiveFixture(db);
});
afterAll(async () => {
  await fixture?.close();
  await db?.drop();
});

const killed = fileURLToPath(new URL('./killed.ts', import.meta.url));

/** Does it in a process that kills itself. */
async function kill(what: 'archive' | 'restore', at: number, when: 'asked' | 'answered'): Promise<void> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', killed, what, MONTH, fixture.workerUrl, fixture.directory, String(at), when],
    { cwd: fileURLToPath(new URL('../..', import.meta.url)), stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const [code, signal] = await once(child, 'close');
  expect(signal === 'SIGKILL' || code === 0).toBe(true);
  kills += signal === 'SIGKILL' ? 1 : 0;
}

/** Does it here, and nobody kills it. @returns how many things it asks for */
async function finish(what: 'archive' | 'restore'): Promise<number> {
  let steps = 0;
  const step: Step = (task) => {
    steps += 1;
    return task();
  };
  await stepwise(what, MONTH, { pool: fixture.pool, directory: fixture.directory, step });
  expect((await fixture.monthOf(MONTH)).state).toBe(what === 'archive' ? 'archived' : 'restored');
  return steps;
}

/** Every event is in the database, or in an archive that can be read; the seen ones are never some of them. */
async function nothingIsLost(before: { rows: number; digest: string | null }): Promise<void> {
  // What it had asked for may still be under way.
  await until(
    async () =>
      (await db.sql.query("select from pg_stat_activity where application_name = 'killed'")).rowCount === 0,
  );
  const month = await fixture.monthOf(MONTH);
  if (month.state !== 'archived') return expect(await fixture.digest()).toEqual(before);
  expect(await fixture.digest()).toEqual({ rows: 0, digest: null });
  const { contents, location } = month;
  if (!contents || !location) throw new Error('an archive without contents');
  expect(contents.row_count).toBe(before.rows);
  expect(await problemOf(contents, () => fixture.options.locate(location))).toBeUndefined();
}

test(`killed ten times on the way out and back, seed ${seed}`, async () => {
  const random = createRandom(seed);
  await fixture.fill(MONTH, 9_000);
  const before = await fixture.digest();
  const steps = { archive: await finish('archive'), restore: await finish('restore') };
  for (const what of ['archive', 'restore'] as const) {
    for (let fifth = 0; fifth < KILLS; fifth++) {
      // One in each fifth of the way.
      const at = Math.ceil(((fifth + random.next()) * steps[what]) / KILLS) || 1;
      await kill(what, at, random.pick(['asked', 'answered']));
      await nothingIsLost(before);
    }
    await finish(what);
    await nothingIsLost(before);
  }
  // In the last fifth a month may be done already, so that there is less to ask for.
  expect(kills).toBeGreaterThanOrEqual(8);
  // Of the runs that were killed nothing is left.
  const { location } = await fixture.monthOf(MONTH);
  const names = await fixture.options.store.list('session_events_2024_01');
  expect(names.map((name) => name.split('/')[1])).toEqual([location?.split('/').at(-1)]);
}, 240_000);
