import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loginUrl } from '@mobvibe/db/connection';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { followSession, type SessionEvent } from '../../packages/sync/src/index.ts';
import { program } from '../harness/program.ts';
import { createWork } from '../sync/support.ts';
import { type Stack, startStack, until } from './support.ts';

const JOBS = 4;
const EVENTS_A_JOB = 250;
const NEVER = 3_600_000;

let stack: Stack;
let data: string;
beforeAll(async () => {
  stack = await startStack();
  data = await mkdtemp(join(tmpdir(), 'mobvibe-worker-stream-'));
});
afterAll(async () => {
  await stack?.stop();
  if (data) await rm(data, { recursive: true, force: true });
});

test('1,000 events of a worker at full speed arrive complete and in order at a phone that is cut off three times', async () => {
  const { client, userId, cut } = await stack.phone();
  const { session } = await createWork(stack.database, userId);
  const events: SessionEvent[] = [];
  const cutIn = new Set<string>();
  const one = followSession(
    client,
    session,
    (event) => {
      events.push(event);
      // In the middle of what a job says, of a connection that is up: the rest of it is said to nobody.
      const job = event.job_id as string;
      if (cutIn.size === JOBS - 1 || cutIn.has(job) || one.status !== 'live') return;
      cutIn.add(job);
      cut();
    },
    { checkEveryMs: NEVER },
  );
  await until(() => one.status === 'live');

  const worker = startWorkerProcess();
  const ended = once(worker, 'exit');
  try {
    for (let job = 1; job < JOBS; job++) {
      await until(() => cutIn.size === job);
      await until(() => one.status === 'live');
      await stack.database.asUser(userId, (user) =>
        user.query("insert into public.coding_jobs (session_id, prompt) values ($1, 'Go on')", [session]),
      );
    }
    expect(await ended).toEqual([0, null]);
    const { rows } = await stack.database.sql.query<{ seq: number; text: string }>(
      `select seq::int, payload ->> 'text' as text from public.session_events where session_id = $1 order by seq`,
      [session],
    );
    expect(rows.filter(({ text }) => /^\d+$/.test(text))).toHaveLength(JOBS * EVENTS_A_JOB);
    await until(() => one.seq === rows.length);
    expect(
      events.map(({ seq, payload }) => ({ seq, text: (payload as { text?: string }).text ?? null })),
    ).toEqual(rows);
  } finally {
    worker.kill('SIGKILL');
    one.close();
  }
}, 60_000);

function startWorkerProcess() {
  const main = fileURLToPath(new URL('worker-process.ts', import.meta.url));
  return spawn(process.execPath, program(main), {
    env: {
      ...process.env,
      WORKER_URL: loginUrl('mobvibe_worker', { url: stack.database.url }),
      WORKER_DATA: data,
      JOBS: String(JOBS),
      EVENTS: String(EVENTS_A_JOB),
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
