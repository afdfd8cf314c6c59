import { access, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { SessionEvent } from '../src/events/event.ts';
import { createClaudeExecutor } from '../src/executor/claude/claude.ts';
import type { Execution } from '../src/executor/executor.ts';
import type { ModelApi } from '../src/model-api/model-api.ts';
import { openScriptedModelApi } from '../src/model-api/scripted.ts';
import type { Reply } from '../src/model-server/message.ts';
import type { Script } from '../src/model-server/script/expo-app.ts';
import { openLocalSandboxes } from '../src/sandbox/local.ts';
import { sessionMark } from '../src/sandbox/processes.ts';
import { processesMarked, until } from './support.ts';

// The SDK, its process, its tools and the files are real; only the model is not.
let data: string;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'worker-test-'));
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});
afterAll(() => rm(data, { recursive: true }));

/** Runs prompts, one after the other, in one session. */
async function agent(script?: Script, otherApi?: ModelApi) {
  const sessionId = crypto.randomUUID();
  const modelApi = otherApi ?? (await openScriptedModelApi(script ? { script } : {}));
  if (!otherApi) closers.push(() => modelApi.close());
  const executor = createClaudeExecutor({
    modelApi,
    system: { PATH: process.env.PATH ?? '' },
    modelRetries: 0,
  });
  const sandboxes = await openLocalSandboxes(data);
  const session: Execution['session'] = {
    id: sessionId,
    webviewUrl: null,
    metadata: {},
    projectName: 'Habits',
    projectTemplate: 'blank',
    tier: 'free',
  };
  const events: SessionEvent[] = [];
  return {
    sessionId,
    session,
    events,
    sandbox: await sandboxes.open(sessionId),
    async run(prompt: string, signal = new AbortController().signal) {
      return executor.run({
        job: { id: crypto.randomUUID(), sessionId, prompt, attempt: 1, maxAttempts: 3 },
        session,
        sandbox: await sandboxes.open(sessionId),
        signal,
        emit: async (event) => {
          events.push(event);
        },
        updateSession: async ({ metadata }) => {
          Object.assign(session.metadata, metadata);
        },
      });
    },
  };
}

/** A script that calls one tool after the other, whatever they return, and then says so. */
const calling =
  (...replies: Reply[]): Script =>
  ({ results }) =>
    replies[results.length] ?? { text: 'Done.' };

function terminalOf(events: SessionEvent[]) {
  const found = events.find((event) => event.type === 'terminal');
  if (!found) throw new Error('no terminal event');
  return found.payload;
}

const calls = (name: string, input: Record<string, unknown>): Reply => ({ tools: [{ name, input }] });

describe('the Claude executor', () => {
  it('writes the app, and tells every step in order; the next job finds it and goes on', async () => {
    const { run, events, sandbox, session, sessionId } = await agent();
    const first = await run('Build me a habit tracker with streaks');

    expect(await sandbox.files()).toEqual(['App.tsx', 'README.md', 'app.json', 'package.json']);
    const app = await readFile(join(sandbox.project, 'App.tsx'), 'utf8');
    expect(app).toContain('const title = "Habit Tracker"');
    expect(app).toContain('accessibilityRole="checkbox"');
    expect(events.map(({ type }) => type)).toEqual([
      ...['thinking', 'message', 'terminal'],
      ...['thinking', 'message', 'file_change'],
      ...['message', 'file_change', 'file_change', 'message', 'file_change'],
      ...['message', 'terminal', 'thinking', 'message', 'file_change', 'message'],
    ]);
    expect(events.filter(({ type }) => type === 'file_change').map(({ payload }) => payload)).toEqual([
      { path: 'App.tsx', change: 'created', added: app.split('\n').length - 3, removed: 0 },
      { path: 'app.json', change: 'created', added: 9, removed: 0 },
      { path: 'package.json', change: 'created', added: 15, removed: 0 },
      { path: 'README.md', change: 'created', added: 5, removed: 0 },
      { path: 'App.tsx', change: 'modified', added: 2, removed: 0 },
    ]);
    expect(first).toMatchObject({ cost_usd: 0, turns: 8, summary: expect.stringContaining('scripted') });
    expect(first.usage.output_tokens).toBeGreaterThan(500);
    expect(JSON.stringify(events)).not.toContain(data);

    const conversation = session.metadata.agent_session_id;
    events.length = 0;
    const second = await run('Now for water');
    expect(session.metadata.agent_session_id).toBe(conversation);
    expect(events.filter(({ type }) => type === 'file_change').map(({ payload }) => payload)).toEqual([
      { path: 'App.tsx', change: 'modified', added: 1, removed: 1 },
    ]);
    expect(await readFile(join(sandbox.project, 'App.tsx'), 'utf8')).toContain('"Now for water"');
    // Usage is of this job alone, though the conversation knows its total.
    expect(second.usage.output_tokens).toBeLessThan(first.usage.output_tokens);
    expect(await processesMarked(sessionMark(sessionId))).toEqual([]);
  });

  it('gives output and exit code of a command that fails', async () => {
    const { run, events } = await agent(
      calling(calls('Bash', { command: 'echo out; echo err >&2; exit 7' })),
    );
    await run('Fail');
    expect(terminalOf(events)).toEqual({
      command: 'echo out; echo err >&2; exit 7',
      output: expect.stringMatching(/out\s+err/),
      exit_code: 7,
    });
  });

  it('keeps file tools inside the project, whatever the model asks for', async () => {
    const elsewhere = join(data, 'escaped');
    const { run, events, sandbox } = await agent(
      calling(
        calls('Write', { file_path: '../../escaped', content: 'x' }),
        calls('Write', { file_path: elsewhere, content: 'x' }),
        calls('Write', { file_path: `${data}/../etc-like`, content: 'x' }),
        calls('Write', { file_path: 'out/escaped', content: 'x' }),
        calls('Read', { file_path: '/etc/passwd' }),
        calls('Glob', { pattern: '/etc/pass*' }),
        calls('Grep', { pattern: 'root', path: '/etc' }),
        calls('Write', { file_path: 'inside.txt', content: 'x' }),
      ),
    );
    await symlink(data, join(sandbox.project, 'out'));
    await run('Escape');

    expect(events.slice(0, -2).map(({ type, payload }) => [type, payload])).toEqual(
      ['Write', 'Write', 'Write', 'Write', 'Read', 'Glob', 'Grep'].map((tool) => [
        'tool_use',
        expect.objectContaining({ tool, error: expect.stringMatching(/project/) }),
      ]),
    );
    expect(JSON.stringify(events)).not.toContain('root:');
    await expect(access(elsewhere)).rejects.toThrow();
    expect(await sandbox.files()).toEqual(['inside.txt']);
  });

  it('takes the prompt as text: it names no file and runs no command', async () => {
    let asked = '';
    const { run } = await agent((conversation) => {
      asked = conversation.prompt;
      return { text: 'Done.' };
    });
    await run('/clear @/etc/passwd');
    expect(asked).toBe('/clear @/etc/passwd');
  });

  it('gives the agent none of the worker environment, and a home and a git of its own', async () => {
    vi.stubEnv('WORKER_SECRET', 'do-not-pass');
    // A repository around the data directory, as where that lies in a checkout.
    for (const directory of ['objects', 'refs'])
      await mkdir(join(data, '.git', directory), { recursive: true });
    await writeFile(join(data, '.git', 'HEAD'), 'ref: refs/heads/main\n');
    const { run, events } = await agent(
      calling(calls('Bash', { command: 'env; echo "home=$HOME"; git rev-parse --show-toplevel' })),
    );
    await run('Print');
    vi.unstubAllEnvs();
    const { output } = terminalOf(events);
    expect(output).not.toContain('do-not-pass');
    expect(output).toContain('home=../home');
    expect(output).not.toMatch(new RegExp(`^${data}$`, 'm'));
    await rm(join(data, '.git'), { recursive: true });
  });

  it('leaves no process behind: neither what a command left in the background nor what left its group', async () => {
    const { run, sessionId, sandbox } = await agent(
      calling(
        calls('Bash', { command: 'sleep 300 & setsid -f sleep 300; nohup sleep 300 >/dev/null 2>&1 &' }),
      ),
    );
    await run('Linger');
    expect(await processesMarked(sessionMark(sessionId))).toEqual([]);
    expect(await sandbox.files()).toEqual([]);
  });

  it('stops at once when it is aborted, with all it started', async () => {
    const { run, sessionId, events, sandbox } = await agent(
      calling(calls('Bash', { command: 'echo started > started; sleep 300; echo late > late' })),
    );
    const controller = new AbortController();
    const running = run('Hang', controller.signal);
    const outcome = expect(running).rejects.toBe('cancelled');
    await until(async () => (await sandbox.files()).includes('started'));
    expect(await processesMarked(sessionMark(sessionId))).not.toEqual([]);

    const aborted = performance.now();
    controller.abort('cancelled');
    await outcome;
    expect(performance.now() - aborted).toBeLessThan(5_000);
    expect(await processesMarked(sessionMark(sessionId))).toEqual([]);
    expect(await sandbox.files()).toEqual(['started']);
    expect(events.map(({ type }) => type)).not.toContain('terminal');
  });

  it('ends what a worker that died left running, before the next one works in the sandbox', async () => {
    const { run, sessionId, sandbox } = await agent(
      calling(calls('Bash', { command: 'touch up; sleep 300' })),
    );
    const controller = new AbortController();
    const running = run('Hang', controller.signal).catch(() => 'ended');
    await until(async () => (await sandbox.files()).includes('up'));
    await (await openLocalSandboxes(data)).open(sessionId);
    expect(await processesMarked(sessionMark(sessionId))).toEqual([]);
    expect(await running).toBe('ended');
  });

  it('says in one line why a run failed, and whether another attempt may help', async () => {
    const modelApi = await openScriptedModelApi({ apiKey: 'right' });
    closers.push(() => modelApi.close());
    const { run } = await agent(undefined, {
      ...modelApi,
      grant: () => ({ ...modelApi.grant(), apiKey: 'wrong' }),
    });
    await expect(run('Anything')).rejects.toMatchObject({
      code: 'model_authentication_failed',
      message: 'The model refused our key.',
      retryable: false,
    });
  });

  it('leaves no temporary directory behind', async () => {
    const temporary = join(data, 'tmp');
    await mkdir(temporary);
    vi.stubEnv('TMPDIR', temporary);
    const { run, events } = await agent(calling(calls('Bash', { command: 'ls "$TMPDIR/.."' })));
    await run('Look');
    vi.unstubAllEnvs();
    expect(terminalOf(events).output).toMatch(/^mobvibe-run-\w+$/);
    expect(await readdir(temporary)).toEqual([]);
  });
});
