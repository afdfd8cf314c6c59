import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { program } from '../../../test/harness/program.ts';
import { startGuardian } from '../src/guardian/guardian.ts';
import { sessionMark } from '../src/sandbox/processes.ts';
import { type Ended, startCommand } from './command.ts';
import { createFixture, type Fixture } from './fixture.ts';
import { processesMarked, until } from './support.ts';

let db: TestDatabase;
let fixture: Fixture;
/** What the command takes for the machine's temporary directory. */
let temporary: string;
const started: ChildProcess[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
  fixture = await createFixture(db);
  temporary = await mkdtemp(join(tmpdir(), 'worker-test-'));
});
afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  await fixture.clear();
});
afterAll(async () => {
  await db?.drop();
  await fixture?.remove();
  await rm(temporary, { recursive: true, force: true });
});

/** `pnpm worker run` on one job, with an agent that has processes. */
async function runOne(...args: string[]) {
  const session = await fixture.createSession();
  const id = await fixture.enqueue(session);
  const child = startCommand(['run', '--data', fixture.data, ...args], {
    DATABASE_URL: db.url,
    TMPDIR: temporary,
  });
  started.push(child);
  const mark = sessionMark(session.sessionId);
  await until(async () => (await processesMarked(mark)).length > 0);
  return { id, child, mark };
}

// tsx keeps a cache there.
const left = async () => (await readdir(temporary)).filter((name) => name.startsWith('mobvibe-'));

it.each(['SIGKILL', 'SIGTERM'] as const)(
  'whatever %s leaves of an agent ends, in whichever session of processes',
  async (signal) => {
    const sessionId = randomUUID();
    const mark = sessionMark(sessionId);
    const fixturePath = fileURLToPath(new URL('fixtures/guarded.ts', import.meta.url));
    const child = spawn(process.execPath, [...program(fixturePath), sessionId], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.push(child);
    const [line] = await once(child.stdout, 'data');
    const directory = String(line).trim();
    expect(existsSync(directory)).toBe(true);
    await until(async () => (await processesMarked(mark)).length > 0);
    child.kill(signal);
    await until(async () => (await processesMarked(mark)).length === 0);
    await until(() => !existsSync(directory));
  },
);

it('what is cut off in the middle of being written marks no process', async () => {
  // Whatever is empty would be found in every process of the machine, and all of them would be ended.
  await expect(processesMarked('')).rejects.toThrow('a mark is a variable');
  const guardian = await startGuardian();
  const sessionId = randomUUID();
  await guardian.watch(sessionId);
  const files = await readdir(guardian.directory);
  await guardian.close();
  expect(files).toEqual([sessionMark(sessionId)]);
});

it('a worker that is killed leaves no process of an agent behind, and no directory', async () => {
  const { id, child, mark } = await runOne();
  const [directory = ''] = await left();
  await until(async () =>
    (await readdir(join(temporary, directory))).some((name) => name.startsWith('mobvibe-run-')),
  );
  child.kill('SIGKILL');
  await until(async () => (await processesMarked(mark)).length === 0);
  await until(async () => (await left()).length === 0);
  // Nobody gave it back: its lease has to run out.
  expect(await fixture.statusOf(id)).toBe('processing');
});

it('the first signal gives jobs back after the grace time, and leaves nothing', async () => {
  const { id, child, mark } = await runOne('--grace', '0');
  child.kill('SIGTERM');
  const ended: Ended = await child.ended;
  expect(ended.code).toBe(0);
  expect(ended.stderr).toContain('stopping');
  expect(await fixture.jobOf(id)).toMatchObject({ status: 'pending', attempt: 0 });
  expect(await processesMarked(mark)).toEqual([]);
  expect(await left()).toEqual([]);
});

it('the second signal ends the worker at once', async () => {
  const { id, child, mark } = await runOne('--grace', '3600');
  let said = '';
  child.stderr?.on('data', (data) => {
    said += data;
  });
  child.kill('SIGTERM');
  await until(() => said.includes('stopping'));
  child.kill('SIGTERM');
  expect((await child.ended).code).toBe(143);
  expect(await fixture.statusOf(id)).toBe('processing');
  await until(async () => (await processesMarked(mark)).length === 0);
  await until(async () => (await left()).length === 0);
});
