import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { SessionEvent } from '../../src/events/event.ts';
import { createClaudeExecutor } from '../../src/executor/claude/claude.ts';
import type { Execution } from '../../src/executor/executor.ts';
import type { ModelApi } from '../../src/model-api/model-api.ts';
import { openScriptedModelApi } from '../../src/model-api/scripted.ts';
import type { Script } from '../../src/model-server/script/expo-app.ts';
import { openFlySandboxes } from '../../src/sandbox/fly/fly.ts';
import { openLocalSandboxes } from '../../src/sandbox/local.ts';
import { sessionMark } from '../../src/sandbox/processes.ts';
import type { Sandboxes } from '../../src/sandbox/sandbox.ts';
import { bash, calling, calls } from '../executors/agent.ts';
import { processesMarked, until } from '../support.ts';
import { type FlyServer, startFlyServer } from './fly-server.ts';

// The SDK and its process are on this side, the tools' work on the machine's; only the model is not real.
let server: FlyServer;
let data: string;
const apis: ModelApi[] = [];

beforeAll(async () => {
  server = await startFlyServer();
  data = await mkdtemp(join(tmpdir(), 'worker-test-'));
});
afterEach(async () => {
  for (const api of apis.splice(0)) await api.close();
});
afterAll(async () => {
  await server.close();
  await rm(data, { recursive: true });
});

/** The sandboxes of a worker that has seen none before. */
const onFly = (retries = 5) =>
  openFlySandboxes({
    token: server.token,
    app: server.app,
    baseUrl: server.url,
    retryDelayMs: 5,
    retries,
    pace: { perSecond: 1_000, burst: 100 },
  });

function createSession(): Execution['session'] {
  return {
    id: crypto.randomUUID(),
    userId: crypto.randomUUID(),
    projectId: crypto.randomUUID(),
    sandboxId: null,
    webviewUrl: null,
    metadata: {},
    projectName: 'Habits',
    projectTemplate: 'blank',
    tier: 'free',
    limits: { model: null, maxTurns: 30, maxBudgetUsd: 5 },
  };
}

/** Runs a prompt on a worker of its own: nothing but the session's row and its sandbox is there of earlier runs. */
async function run(
  session: Execution['session'],
  prompt: string,
  options: { sandboxes?: Sandboxes; script?: Script; signal?: AbortSignal; events?: SessionEvent[] } = {},
) {
  const { sandboxes = onFly(), script, signal = new AbortController().signal, events = [] } = options;
  const modelApi = await openScriptedModelApi(script && { script });
  apis.push(modelApi);
  const sandbox = await sandboxes.open(session);
  session.sandboxId = sandbox.id;
  await createClaudeExecutor({ modelApi, system: { PATH: process.env.PATH ?? '' }, modelRetries: 0 }).run({
    job: { id: crypto.randomUUID(), sessionId: session.id, prompt, attempt: 1, maxAttempts: 3 },
    session,
    sandbox,
    signal,
    emit: async (event) => {
      events.push(event);
    },
    updateSession: async ({ metadata }) => {
      Object.assign(session.metadata, metadata);
    },
    reportUsage: () => {},
  });
  return { events, sandbox };
}

const typesOf = (events: SessionEvent[]) => events.map(({ type }) => type);
const payloadsOf = (type: SessionEvent['type'], events: SessionEvent[]) =>
  events.filter((event) => event.type === type).map(({ payload }) => payload);
const machineMark = (session: { id: string }) => `MOBVIBE_MACHINE=${session.id}/`;

describe('an agent in a sandbox on another machine', () => {
  it('tells the same as in one on this machine; the next worker finds its files and its conversation', async () => {
    const [here, there] = [createSession(), createSession()];
    const sandboxes = await openLocalSandboxes(data);
    const prompt = 'Build me a habit tracker with streaks';
    const local = await run(here, prompt, { sandboxes });
    const remote = await run(there, prompt);
    expect(typesOf(remote.events)).toEqual(typesOf(local.events));
    expect(payloadsOf('file_change', remote.events)).toEqual(payloadsOf('file_change', local.events));
    expect(payloadsOf('message', remote.events)).toEqual(payloadsOf('message', local.events));
    expect(payloadsOf('terminal', remote.events)).toEqual(payloadsOf('terminal', local.events));
    expect(await remote.sandbox.files()).toEqual(await local.sandbox.files());

    const conversation = there.metadata.agent_session_id;
    const next = await run(there, 'Now for water');
    expect(there.metadata.agent_session_id).toBe(conversation);
    expect(next.sandbox.id).toBe(remote.sandbox.id);
    expect(typesOf(next.events)).toEqual(typesOf((await run(here, 'Now for water', { sandboxes })).events));
    expect(await next.sandbox.machine?.read('App.tsx')).toContain('"Now for water"');
    const transcript = await next.sandbox.machine?.loadTranscript(String(conversation));
    for (const said of [prompt, 'Now for water']) expect(transcript).toContain(said);
    expect(await processesMarked(sessionMark(there.id))).toEqual([]);
  });

  it('has tools of the same names, also under their own, and nothing of this machine', async () => {
    vi.stubEnv('WORKER_SECRET', 'do-not-pass');
    const session = createSession();
    const { events, sandbox } = await run(session, 'Try', {
      script: calling(
        bash('pwd; env | grep -c do-not-pass'),
        calls('mcp__machine__Bash', { command: 'exit 7' }),
        calls('mcp__machine__Write', { file_path: 'a/b.txt', content: 'one\ntwo\n' }),
        calls('Edit', { file_path: 'a/b.txt', old_string: 'one', new_string: '1' }),
        calls('Read', { file_path: 'a/b.txt' }),
        calls('Glob', { pattern: '**/*.txt' }),
        calls('Grep', { pattern: 'two', glob: '*.txt' }),
        calls('Write', { file_path: '../escaped', content: 'x' }),
        calls('WebFetch', { url: 'http://localhost', prompt: 'x' }),
        bash('sleep 30', { timeout: 200 }),
      ),
    });
    vi.unstubAllEnvs();
    const project = sandbox.project;
    expect(events.slice(0, -1)).toEqual([
      // What the path of the project is does not matter to the person.
      { type: 'terminal', payload: expect.objectContaining({ exit_code: 1, output: '.\n0' }) },
      { type: 'terminal', payload: { command: 'exit 7', output: '', exit_code: 7 } },
      { type: 'file_change', payload: { path: 'a/b.txt', change: 'created', added: 2, removed: 0 } },
      { type: 'file_change', payload: { path: 'a/b.txt', change: 'modified', added: 1, removed: 1 } },
      { type: 'tool_use', payload: { tool: 'Read', input: { file_path: 'a/b.txt' } } },
      { type: 'tool_use', payload: { tool: 'Glob', input: { pattern: '**/*.txt' } } },
      { type: 'tool_use', payload: { tool: 'Grep', input: { pattern: 'two', glob: '*.txt' } } },
      {
        type: 'tool_use',
        payload: {
          tool: 'Write',
          input: { file_path: '../escaped' },
          error: expect.stringContaining('outside the project'),
        },
      },
      { type: 'tool_use', payload: expect.objectContaining({ tool: 'WebFetch', error: expect.any(String) }) },
      {
        type: 'terminal',
        payload: { command: 'sleep 30', output: expect.stringContaining('timed out'), exit_code: null },
      },
    ]);
    expect(JSON.stringify(events)).not.toContain(project);
    expect(JSON.stringify(events)).not.toContain('mobvibe-run-');
    expect(await sandbox.files()).toEqual(['a/b.txt']);
  });

  it('finds by name and by content what it would find here', async () => {
    const found: string[] = [];
    const { sandbox } = await run(createSession(), 'Look', {
      script: ({ results }) => {
        found.push(...results.slice(found.length).map(({ text }) => text));
        const steps = [
          bash('mkdir -p src/deep; echo "const x = 1" > src/a.tsx; echo "const X = 2" > src/deep/b.ts'),
          calls('Glob', { pattern: 'src/**/*.{ts,tsx}' }),
          calls('Glob', { pattern: '*.ts', path: 'src/deep' }),
          calls('Grep', { pattern: 'const X', '-i': true, glob: '*.ts' }),
          calls('Grep', { pattern: 'const x', output_mode: 'content' }),
          calls('Grep', { pattern: 'nothing' }),
        ];
        return steps[results.length] ?? { text: 'Done.' };
      },
    });
    expect(found.map((text) => text.split('\n').sort())).toEqual([
      ['The command succeeded, without output.'],
      ['src/a.tsx', 'src/deep/b.ts'],
      ['src/deep/b.ts'],
      ['src/deep/b.ts'],
      ['src/a.tsx:1:const x = 1'],
      ['No matches found'],
    ]);
    expect(await sandbox.files()).toHaveLength(2);
  });

  it('stops in the middle of a command when it is aborted, with all it started there', async () => {
    const session = createSession();
    const controller = new AbortController();
    const events: SessionEvent[] = [];
    const running = run(session, 'Hang', {
      script: calling(bash('touch started; setsid -f sleep 300; sleep 300; touch late')),
      signal: controller.signal,
      events,
    });
    const outcome = expect(running).rejects.toBe('cancelled');
    await until(async () => (await processesMarked(machineMark(session))).length >= 3, 30_000);
    controller.abort('cancelled');
    await outcome;
    expect(await processesMarked(machineMark(session))).toEqual([]);
    expect(await processesMarked(sessionMark(session.id))).toEqual([]);
    expect(typesOf(events)).not.toContain('terminal');
    expect(await (await onFly().open(session)).files()).toEqual(['started']);
  });

  it('fails when its machine is gone, and may be tried again: it does not go on without', async () => {
    const session = createSession();
    let turns = 0;
    const script: Script = ({ results }) => {
      turns = results.length;
      return results.length < 20 ? bash('echo') : { text: 'Done.' };
    };
    const running = run(session, 'Build', { script, sandboxes: onFly(1) });
    const outcome = expect(running).rejects.toMatchObject({ code: 'sandbox_lost', retryable: true });
    await until(() => turns >= 1, 30_000);
    await server.vanish(String(session.sandboxId).slice('fly:'.length));
    await outcome;
    expect(turns).toBeLessThan(20);
    expect(await processesMarked(sessionMark(session.id))).toEqual([]);
  });

  it('leaves what serves the app running, and nothing on this machine', async () => {
    const temporary = join(data, 'tmp');
    const session = createSession();
    await mkdir(temporary);
    vi.stubEnv('TMPDIR', temporary);
    await run(session, 'Serve', { script: calling(bash('sleep 300 & echo')) });
    vi.unstubAllEnvs();
    expect(await readdir(temporary)).toEqual([]);
    expect(await processesMarked(sessionMark(session.id))).toEqual([]);
    expect(await processesMarked(machineMark(session))).not.toEqual([]);
    await onFly().open(session);
    expect(await processesMarked(machineMark(session))).toEqual([]);
  });
});
