import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRandom } from '../../../../test/chaos/random.ts';
import { createTestDatabase, type TestDatabase } from '../../../../test/harness/database.ts';
import { program } from '../../../../test/harness/program.ts';
import { problemOf } from '../../src/archive/archive.ts';
import { until } from '../support.ts';
import { type Step, stepwise } from './stepwise.ts';
import { type ArchiveFixture, createArchiveFixture } from './support.ts';

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

type What = 'archive' | 'restore';
type Digest = { rows: number; digest: string | null };

/** Does it in a process that kills itself. */
async function kill(name: string, what: What, at: number, when: 'asked' | 'answered'): Promise<void> {
  const child = spawn(
    process.execPath,
    [...program(killed), what, name, fixture.workerUrl, fixture.directory, String(at), when],
    { cwd: fileURLToPath(new URL('../..', import.meta.url)), stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const [code, signal] = await once(child, 'close');
  expect(signal === 'SIGKILL' || code === 0).toBe(true);
  kills += signal === 'SIGKILL' ? 1 : 0;
}

/** Does it here, and nobody kills it. @returns how many things it asks for */
async function finish(name: string, what: What): Promise<number> {
  let steps = 0;
  const step: Step = (task) => {
    steps += 1;
    return task();
  };
  await stepwise(what, name, { pool: fixture.pool, directory: fixture.directory, step });
  expect((await fixture.monthOf(name)).state).toBe(what === 'archive' ? 'archived' : 'restored');
  return steps;
}

/** Every row is in the database, or in an archive that can be read; the seen ones are never some of them. */
async function nothingIsLost(name: string, lines: number, before: Digest, digest: () => Promise<Digest>) {
  // What it had asked for may still be under way.
  await until(
    async () =>
      (await db.sql.query("select from pg_stat_activity where application_name = 'killed'")).rowCount === 0,
  );
  const month = await fixture.monthOf(name);
  if (month.state !== 'archived') return expect(await digest()).toEqual(before);
  expect(await digest()).toEqual({ rows: 0, digest: null });
  const { contents, location } = month;
  if (!contents || !location) throw new Error('an archive without contents');
  expect(contents.row_count).toBe(lines);
  expect(await problemOf(contents, () => fixture.options.locate(location))).toBeUndefined();
}

const months = [
  {
    name: 'session_events_2024_01',
    lines: 9_000,
    fill: () => fixture.fill('2024-01', 9_000),
    digest: () => fixture.digest(),
  },
  {
    name: 'coding_sessions_2024_01',
    lines: 4_000,
    async fill() {
      for (let session = 0; session < 4; session++) await fixture.fillSession('2024-01', 1_000);
      // That of the events, which is open, and no concern of this month.
      await db.sql.query("delete from public.coding_sessions where status = 'pending'");
    },
    digest: () => fixture.jobsDigest(),
  },
];

test.each(months)(
  `$name killed ten times on the way out and back, seed ${seed}`,
  async ({ name, lines, fill, digest }) => {
    const random = createRandom(seed);
    kills = 0;
    await fill();
    const before = await digest();
    const steps = { archive: await finish(name, 'archive'), restore: await finish(name, 'restore') };
    for (const what of ['archive', 'restore'] as const) {
      for (let fifth = 0; fifth < KILLS; fifth++) {
        // One in each fifth of the way.
        const at = Math.ceil(((fifth + random.next()) * steps[what]) / KILLS) || 1;
        await kill(name, what, at, random.pick(['asked', 'answered']));
        await nothingIsLost(name, lines, before, digest);
      }
      await finish(name, what);
      await nothingIsLost(name, lines, before, digest);
    }
    // In the last fifth a month may be done already, so that there is less to ask for.
    expect(kills).toBeGreaterThanOrEqual(8);
    // Of the runs that were killed nothing is left.
    const { location } = await fixture.monthOf(name);
    const names = await fixture.options.store.list(name);
    expect(names.map((part) => part.split('/')[1])).toEqual([location?.split('/').at(-1)]);
  },
  240_000,
);
