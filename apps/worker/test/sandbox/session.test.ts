import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe as describeTarget } from '@mobvibe/cli';
import { loginUrl } from '@mobvibe/db/connection';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../test/harness/database.ts';
import { loadWorkerConfig } from '../../src/config.ts';
import { createClaudeExecutor } from '../../src/executor/claude/claude.ts';
import { createLog } from '../../src/log.ts';
import type { ModelApi } from '../../src/model-api/model-api.ts';
import { openScriptedModelApi } from '../../src/model-api/scripted.ts';
import { openFlySandboxes } from '../../src/sandbox/fly/fly.ts';
import { startWorker } from '../../src/worker.ts';
import { bash, calling } from '../executors/agent.ts';
import { type FlyServer, startFlyServer } from './fly-server.ts';

let db: TestDatabase;
let server: FlyServer;
let data: string;
let modelApi: ModelApi;

beforeAll(async () => {
  db = await createTestDatabase();
  server = await startFlyServer();
  data = await mkdtemp(join(tmpdir(), 'worker-test-'));
});
afterAll(async () => {
  await modelApi?.close();
  await db?.drop();
  await server?.close();
  await rm(data, { recursive: true, force: true });
});

/** A worker of its own that works until nothing is due. */
async function work(command: string): Promise<void> {
  await modelApi?.close();
  modelApi = await openScriptedModelApi({ script: calling(bash(command)) });
  const worker = await startWorker({
    target: describeTarget(loginUrl('mobvibe_worker', { url: db.url })),
    config: { ...loadWorkerConfig({ data, lease: 10, poll: 60 }), anthropic: undefined, storage: undefined },
    log: createLog({ level: 'silent' }),
    untilIdle: true,
    executor: createClaudeExecutor({ modelApi, system: { PATH: process.env.PATH ?? '' } }),
    sandboxes: openFlySandboxes({
      token: server.token,
      app: server.app,
      baseUrl: server.url,
      retryDelayMs: 5,
      pace: { perSecond: 1_000, burst: 100 },
      previewPort: 1,
    }),
  });
  expect(await worker.done).toMatchObject({ completed: 1, failed: 0, retried: 0 });
}

it('a session has one machine for all its jobs and workers, noted in its row and its project’s, with its preview', async () => {
  const userId = await db.createUser({ tier: 'pro' });
  const insert = async (sql: string, values: unknown[]) =>
    (await db.sql.query<{ id: string }>(`${sql} returning id`, values)).rows[0]?.id ?? '';
  const projectId = await insert("insert into public.projects (user_id, name) values ($1, 'p')", [userId]);
  const sessionId = await insert('insert into public.coding_sessions (user_id, project_id) values ($1, $2)', [
    userId,
    projectId,
  ]);
  const enqueue = (prompt: string) =>
    insert('insert into public.coding_jobs (user_id, session_id, prompt) values ($1, $2, $3)', [
      userId,
      sessionId,
      prompt,
    ]);
  const rowOf = async (table: string, id: string) =>
    (await db.sql.query(`select * from public.${table} where id = $1`, [id])).rows[0];

  await enqueue('First');
  await work('echo app > App.tsx');
  const [machine] = server.machines();
  const session = await rowOf('coding_sessions', sessionId);
  expect(session).toMatchObject({
    status: 'active',
    sandbox_id: `fly:${machine?.id}`,
    webview_url: null,
    metadata: { files: ['App.tsx'] },
  });
  expect(await rowOf('projects', projectId)).toMatchObject({ sandbox_id: `fly:${machine?.id}` });

  await enqueue('Second');
  const preview = { webview_url: 'https://app.example.com/', eas_update_url: 'https://u.expo.dev/1' };
  await work(`cat App.tsx && mkdir .mobvibe && echo '${JSON.stringify(preview)}' > .mobvibe/preview.json`);
  expect(server.machines()).toEqual([machine]);
  expect(await rowOf('coding_sessions', sessionId)).toMatchObject({
    ...preview,
    metadata: { agent_session_id: session.metadata.agent_session_id },
  });
  const { rows: events } = await db.sql.query(
    'select type, payload from public.session_events where session_id = $1 order by seq',
    [sessionId],
  );
  expect(events.filter(({ type }) => type === 'terminal')[1].payload).toMatchObject({ output: 'app' });
  expect(events.filter(({ type }) => type === 'preview_ready')).toEqual([
    { type: 'preview_ready', payload: { url: preview.webview_url, eas_update_url: preview.eas_update_url } },
  ]);
});
