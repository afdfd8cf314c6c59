import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beQuiet, describe as describeTarget, withConnection } from '@mobvibe/cli';
import { deploy } from '@mobvibe/db/commands';
import { type Server, startServer } from '@mobvibe/local';
import { applyLayer, setLoginPasswords } from '@mobvibe/rls-sql';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createFixture, done, type Fixture, gate } from './fixture.ts';
import { until } from './support.ts';

// A server of its own: the others' tests must not lose theirs.
let directory: string;
let server: Server;
let sql: pg.Pool;
let fixture: Fixture;

beforeAll(async () => {
  beQuiet();
  directory = await mkdtemp(join(tmpdir(), 'worker-outage-'));
  server = await startServer({ directory: join(directory, 'server'), durable: false });
  const target = describeTarget(server.url);
  await deploy(target);
  await withConnection(target, async (client) => {
    await applyLayer(client);
    await setLoginPasswords(client, target);
  });
  sql = new pg.Pool({ connectionString: server.url });
  sql.on('error', () => {});
  fixture = await createFixture({ url: server.url, sql });
});
afterEach(() => fixture.clear());
afterAll(async () => {
  await sql?.end();
  await server?.stop({ remove: true });
  await fixture?.remove();
  await rm(directory, { recursive: true, force: true });
});

const startAgain = async () => {
  server = await startServer({ directory: join(directory, 'server'), port: server.port, durable: false });
};

it('a running job outlives a restart of the database, and so does its worker', async () => {
  const session = await fixture.createSession();
  const id = await fixture.enqueue(session);
  const isAway = gate();
  const isBack = gate();
  const texts = Array.from({ length: 40 }, (_, index) => `step ${index}`);
  const worker = await fixture.start(
    async ({ emit, signal }) => {
      for (const [index, text] of texts.entries()) {
        if (index === 10) {
          isAway.open();
          await isBack.opened;
        }
        signal.throwIfAborted();
        await emit({ type: 'message', payload: { text } });
      }
      return done;
    },
    { leaseMs: 60_000, pollMs: 1_000 },
  );
  await isAway.opened;
  await server.stop();
  // The agent goes on while nothing can be written.
  isBack.open();
  await startAgain();
  await until(async () => (await fixture.statusOf(id)) === 'completed');
  expect(await fixture.jobOf(id)).toMatchObject({ attempt: 1, worker_id: worker.id });
  const events = await fixture.eventsOf(session.sessionId);
  expect(events.map(({ seq }) => Number(seq))).toEqual(events.map((_, index) => index + 1));
  expect(events.filter(({ type }) => type === 'message').map(({ payload }) => payload.text)).toEqual(texts);

  const next = await fixture.enqueue(await fixture.createSession());
  await until(async () => (await fixture.statusOf(next)) === 'completed');
  expect(await worker.stop()).toMatchObject({ completed: 2, lost: 0 });
});

it('an outage longer than the lease ends the job here, and it is run again', async () => {
  const id = await fixture.enqueue(await fixture.createSession());
  let runs = 0;
  let reason: unknown;
  const worker = await fixture.start(
    ({ signal }) => {
      if (runs++ > 0) return Promise.resolve(done);
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason;
          reject(reason);
        });
      });
    },
    { leaseMs: 1_500, pollMs: 1_000 },
  );
  await until(() => runs === 1);
  await server.stop();
  await until(() => reason !== undefined);
  expect(reason).toBe('lease_lost');
  await startAgain();
  await until(async () => (await fixture.statusOf(id)) === 'completed', 25_000);
  expect((await fixture.jobOf(id)).attempt).toBe(2);
  expect(await worker.stop()).toMatchObject({ lost: 1, completed: 1 });
});
