import { access, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { SessionEvent } from '../src/events/event.ts';
import { openAnthropicRelay } from '../src/model-api/relay.ts';
import { openScriptedModelApi } from '../src/model-api/scripted.ts';
import { startModelServer } from '../src/model-server/server.ts';
import { openLocalSandboxes } from '../src/sandbox/local.ts';
import { sessionMark } from '../src/sandbox/processes.ts';
import { type AgentOptions, calling, calls, createAgents } from './executors/agent.ts';
import { processesMarked, until } from './support.ts';

let agents: Awaited<ReturnType<typeof createAgents>>;
let data: string;

beforeAll(async () => {
  agents = await createAgents();
  data = agents.data;
});
afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(() => agents.close());

const agent = (options?: AgentOptions) => agents.agent(options);

function terminalOf(events: SessionEvent[]) {
  const found = events.find((event) => event.type === 'terminal');
  if (!found) throw new Error('no terminal event');
  return found.payload;
}

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
    const { run, events } = await agent({
      script: calling(calls('Bash', { command: 'echo out; echo err >&2; exit 7' })),
    });
    await run('Fail');
    expect(terminalOf(events)).toEqual({
      command: 'echo out; echo err >&2; exit 7',
      output: expect.stringMatching(/out\s+err/),
      exit_code: 7,
    });
  });

  it('keeps file tools inside the project, whatever the model asks for', async () => {
    const elsewhere = join(data, 'escaped');
    const { run, events, sandbox } = await agent({
      script: calling(
        calls('Write', { file_path: '../../escaped', content: 'x' }),
        calls('Write', { file_path: elsewhere, content: 'x' }),
        calls('Write', { file_path: `${data}/../etc-like`, content: 'x' }),
        calls('Write', { file_path: 'out/escaped', content: 'x' }),
        calls('Read', { file_path: '/etc/passwd' }),
        calls('Glob', { pattern: '/etc/pass*' }),
        calls('Grep', { pattern: 'root', path: '/etc' }),
        calls('Write', { file_path: 'inside.txt', content: 'x' }),
      ),
    });
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
    const { run } = await agent({
      script: (conversation) => {
        asked = conversation.prompt;
        return { text: 'Done.' };
      },
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
    const { run, events } = await agent({
      script: calling(calls('Bash', { command: 'env; echo "home=$HOME"; git rev-parse --show-toplevel' })),
    });
    await run('Print');
    vi.unstubAllEnvs();
    const { output } = terminalOf(events);
    expect(output).not.toContain('do-not-pass');
    expect(output).toContain('home=../home');
    expect(output).not.toMatch(new RegExp(`^${data}$`, 'm'));
    await rm(join(data, '.git'), { recursive: true });
  });

  it('searches no place that a pattern, or the shell, could lead it to', async () => {
    const { run, events, sandbox } = await agent({
      script: calling(
        calls('Bash', { command: 'cd /etc' }),
        calls('Glob', { pattern: 'passwd' }),
        calls('Grep', { pattern: 'root:', output_mode: 'content' }),
        calls('Grep', { pattern: 'root:', glob: '../../../../../../etc/passwd', output_mode: 'content' }),
        calls('Grep', { pattern: 'root:', path: 'process', output_mode: 'content' }),
        calls('Glob', { pattern: '{..,src}/**' }),
        calls('Glob', { pattern: '[.][.]/**' }),
        calls('Glob', { pattern: '@(..)/**' }),
        calls('Read', { file_path: 'etc/passwd' }),
      ),
    });
    await symlink('/proc/self', join(sandbox.project, 'process'));
    await symlink('/etc', join(sandbox.project, 'etc'));
    await run('Search');
    expect(JSON.stringify(events)).not.toMatch(/root:.*:0:0/);
    expect(events.filter(({ type }) => type === 'tool_use')).toHaveLength(8);
  });

  it('gives the agent a key that is not the real one, and no longer opens anything when it has ended', async () => {
    const upstream = await startModelServer({
      apiKey: 'the-real-key',
      script: calling(calls('Bash', { command: 'env; cat /proc/$PPID/environ' })),
    });
    const relay = await openAnthropicRelay({ baseUrl: upstream.url, apiKey: 'the-real-key' });
    const { run, events } = await agent({ modelApi: relay });
    await run('Print');
    const { output } = terminalOf(events);
    expect(output).not.toContain('the-real-key');
    const apiKey = /API_KEY=(run-[\w-]+)/.exec(output)?.[1] ?? '';
    const baseUrl = /BASE_URL=(http[^\s\0]+)/.exec(output)?.[1] ?? '';
    expect(apiKey).not.toBe('');
    const answer = await fetch(`${baseUrl}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': apiKey },
      body: '{}',
    });
    expect(answer.status).toBe(401);
    await relay.close();
    await upstream.close();
  });

  it('leaves no process behind: neither what a command left in the background nor what left its group', async () => {
    const { run, sessionId, sandbox } = await agent({
      script: calling(
        calls('Bash', { command: 'sleep 300 & setsid -f sleep 300; nohup sleep 300 >/dev/null 2>&1 &' }),
      ),
    });
    await run('Linger');
    expect(await processesMarked(sessionMark(sessionId))).toEqual([]);
    expect(await sandbox.files()).toEqual([]);
  });

  it('stops at once when it is aborted, with all it started', async () => {
    const { run, sessionId, events, sandbox } = await agent({
      script: calling(calls('Bash', { command: 'echo started > started; sleep 300; echo late > late' })),
    });
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
    const { run, sessionId, session, sandbox } = await agent({
      script: calling(calls('Bash', { command: 'touch up; sleep 300' })),
    });
    const controller = new AbortController();
    const running = run('Hang', controller.signal).catch(() => 'ended');
    await until(async () => (await sandbox.files()).includes('up'));
    await (await openLocalSandboxes(data)).open(session);
    expect(await processesMarked(sessionMark(sessionId))).toEqual([]);
    expect(await running).toBe('ended');
  });

  it('says in one line why a run failed, and whether another attempt may help', async () => {
    const modelApi = await openScriptedModelApi({ apiKey: 'right' });
    const { run } = await agent({
      modelApi: { ...modelApi, grant: () => ({ ...modelApi.grant(), apiKey: 'wrong' }) },
    });
    await expect(run('Anything')).rejects.toMatchObject({
      code: 'model_authentication_failed',
      message: 'The model refused our key.',
      retryable: false,
    });
    await modelApi.close();
  });

  it('leaves no temporary directory behind', async () => {
    const temporary = join(data, 'tmp');
    await mkdir(temporary);
    vi.stubEnv('TMPDIR', temporary);
    const { run, events } = await agent({ script: calling(calls('Bash', { command: 'ls "$TMPDIR/.."' })) });
    await run('Look');
    vi.unstubAllEnvs();
    expect(terminalOf(events).output).toMatch(/^mobvibe-run-\w+$/);
    expect(await readdir(temporary)).toEqual([]);
  });
});
