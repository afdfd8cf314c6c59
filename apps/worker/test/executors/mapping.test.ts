import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SessionEvent } from '../../src/events/event.ts';
import type { Reply } from '../../src/model-server/message.ts';
import { bash, calling, calls, createAgents } from './agent.ts';

let agents: Awaited<ReturnType<typeof createAgents>>;
beforeAll(async () => {
  agents = await createAgents();
});
afterAll(() => agents.close());

/** The events of one run of a scripted model, without its last word. */
async function eventsOf(...replies: Reply[]): Promise<SessionEvent[]> {
  const { run, events } = await agents.agent({ script: calling(...replies) });
  await run('Go');
  expect(events.at(-1)).toEqual({ type: 'message', payload: { text: 'Done.' } });
  return events.slice(0, -1);
}

describe('what the Claude Agent SDK tells', () => {
  it('of thinking: that it happened, also where it is hidden', async () => {
    const { run, events } = await agents.agent({
      script: () => ({ thinking: 'Hm.', redacted: true, text: 'Done.' }),
    });
    await run('Think');
    expect(events).toEqual([
      { type: 'thinking', payload: { text: 'Hm.' } },
      { type: 'thinking', payload: { text: '', redacted: true } },
      { type: 'message', payload: { text: 'Done.' } },
    ]);
  });

  it.each([
    ['that succeeds, and complains', bash('echo out; echo err >&2'), 'out\nerr', 0],
    ['that finds nothing', bash('echo a; grep zzz /dev/null'), 'a', 1],
    ['that finds a difference', bash('diff <(echo a) <(echo b)'), '1c1\n< a\n---\n> b', 1],
    ['that fails', bash('echo out; exit 7'), 'out', 7],
    ['that runs out of its time', bash('sleep 10', { timeout: 1_000 }), 'Command timed out after 1s', 143],
    ['that is not found', bash('no-such-command'), expect.stringContaining('not found'), 127],
  ])('of a command %s: its output and exit code', async (_, reply, output, exit_code) => {
    const [event] = await eventsOf(reply);
    expect(event).toMatchObject({ type: 'terminal', payload: { output, exit_code } });
  });

  it('of a command that prints much: its beginning, and that it was more', async () => {
    const [event] = await eventsOf(bash('yes line | head -c 1000000'));
    expect(event).toMatchObject({ type: 'terminal', payload: { exit_code: 0 } });
    const output = event?.type === 'terminal' ? event.payload.output : '';
    expect(output.startsWith('line\nline\n')).toBe(true);
    expect(output.length).toBeGreaterThan(10_000);
    expect(JSON.stringify(event)).not.toContain(agents.data);
  });

  it('of a command in the background: that there is no such thing', async () => {
    const [event] = await eventsOf(bash('sleep 100', { run_in_background: true }));
    expect(event).toMatchObject({
      type: 'terminal',
      payload: { output: expect.stringContaining('run_in_background'), exit_code: null },
    });
  });

  it('of files: lines added and removed, by Write and Edit', async () => {
    const write = (content: string) => calls('Write', { file_path: 'src/a.txt', content });
    const edit = (input: object) => calls('Edit', { file_path: 'src/a.txt', ...input });
    const events = await eventsOf(
      write('1\n2\n3'),
      write('1\n2\n4\n'),
      edit({ old_string: '2', new_string: 'x\ny' }),
      edit({ old_string: 'not there', new_string: 'x' }),
      write('x\nx\n'),
      edit({ old_string: 'x', new_string: 'y', replace_all: true }),
    );
    const change = (change: string, added: number, removed: number) => ({
      type: 'file_change',
      payload: { path: 'src/a.txt', change, added, removed },
    });
    expect(events).toEqual([
      change('created', 3, 0),
      change('modified', 1, 1),
      change('modified', 2, 1),
      {
        type: 'tool_use',
        payload: {
          tool: 'Edit',
          input: { file_path: 'src/a.txt', replace_all: false },
          error: expect.stringContaining('not found'),
        },
      },
      change('modified', expect.any(Number), expect.any(Number)),
      change('modified', 2, 2),
    ]);
  });

  it('of tools that run together: each with its own result', async () => {
    const write = (name: string, content: string) => ({
      name: 'Write',
      input: { file_path: name, content },
    });
    const events = await eventsOf({
      tools: [write('a', '1'), write('b', '1\n2'), ...(bash('echo c').tools ?? [])],
    });
    expect(events.map(({ payload }) => payload)).toEqual([
      { path: 'a', change: 'created', added: 1, removed: 0 },
      { path: 'b', change: 'created', added: 2, removed: 0 },
      { command: 'echo c', output: 'c', exit_code: 0 },
    ]);
  });

  it.each([
    ['a notebook', 'NotebookEdit', { notebook_path: 'a.ipynb', new_source: 'x' }],
    ['a tool that does not exist', 'Applaud', {}],
    ['a call without what it needs', 'Write', { file_path: 'a.txt' }],
    ['the network', 'WebFetch', { url: 'http://localhost', prompt: 'x' }],
    ['an agent of its own', 'Task', { description: 'x', prompt: 'x', subagent_type: 'general-purpose' }],
  ])('of %s: the call, and why it was refused', async (_, tool, input) => {
    const [event] = await eventsOf(calls(tool, input));
    expect(event).toMatchObject({ type: 'tool_use', payload: { tool, error: expect.any(String) } });
  });
});

describe('a model that does not answer', () => {
  it.each([
    ['declines', { text: 'I', stop: 'refusal' }, 'model_refused', false],
    ['writes without end', { text: 'I', stop: 'max_tokens' }, 'model_max_output_tokens', false],
    ['cannot read the request', { error: 'invalid_request_error' }, 'model_invalid_request', false],
    ['is overloaded', { error: 'overloaded_error' }, 'model_overloaded', true],
    ['is broken', { error: 'api_error' }, 'model_server_error', true],
  ] as [string, Reply, string, boolean][])(
    'fails the run in its own words, not in a message of the agent: %s',
    async (_, reply, code, retryable) => {
      const { run, events } = await agents.agent({ script: () => reply });
      await expect(run('Go')).rejects.toMatchObject({ code, retryable });
      expect(JSON.stringify(events)).not.toMatch(/API Error|safeguards/);
    },
  );
});
