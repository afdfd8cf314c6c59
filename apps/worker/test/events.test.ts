import { setTimeout as sleep } from 'node:timers/promises';
import type { SDKMessage } from '@anthropic-ai/claude-agent-sdk';
import { describe, expect, it } from 'vitest';
import { createEventBatcher } from '../src/events/batcher.ts';
import { boundEvent } from '../src/events/bound.ts';
import type { SessionEvent } from '../src/events/event.ts';
import { createTranslator } from '../src/executor/claude/translate.ts';
import { until } from './support.ts';

const message = (text: string): SessionEvent => ({ type: 'message', payload: { text } });
const textOf = (event: SessionEvent) => (event.type === 'message' ? event.payload.text : event.type);

describe('the batcher', () => {
  function collect(options: { appendMs?: number; fail?: boolean } = {}) {
    const batches: string[][] = [];
    const starts: number[] = [];
    const failures: unknown[] = [];
    let inFlight = 0;
    let mostInFlight = 0;
    const batcher = createEventBatcher({
      intervalMs: 20,
      maxBatch: 10,
      maxBuffered: 30,
      append: async (events) => {
        starts.push(performance.now());
        mostInFlight = Math.max(mostInFlight, ++inFlight);
        await sleep(options.appendMs ?? 1);
        inFlight--;
        if (options.fail) throw new Error('refused');
        batches.push(events.map(textOf));
      },
      onFailure: (error) => failures.push(error),
    });
    return { batcher, batches, starts, failures, mostInFlight: () => mostInFlight };
  }

  it('appends in order, a batch at a time, never two at once', async () => {
    const { batcher, batches, mostInFlight } = collect({ appendMs: 5 });
    const all = Array.from({ length: 95 }, (_, index) => String(index));
    for (const text of all) {
      await batcher.emit(message(text));
      if (Number(text) % 20 === 0) await sleep(7);
    }
    await batcher.drain();
    expect(batches.flat()).toEqual(all);
    expect(mostInFlight()).toBe(1);
    expect(Math.max(...batches.map((batch) => batch.length))).toBeLessThanOrEqual(10);
    expect(batches.length).toBeLessThan(40);
  });

  it('appends the first event at once, and the next ones together after the interval', async () => {
    const { batcher, batches, starts } = collect();
    for (const text of ['a', 'b', 'c']) await batcher.emit(message(text));
    await until(() => batches.length === 2);
    expect(batches).toEqual([['a'], ['b', 'c']]);
    expect((starts[1] ?? 0) - (starts[0] ?? 0)).toBeGreaterThan(15);
  });

  it('makes the agent wait when the database cannot keep up', async () => {
    const { batcher, batches } = collect({ appendMs: 10 });
    for (let index = 0; index < 60; index++) await batcher.emit(message(String(index)));
    expect(batches.flat().length).toBeGreaterThanOrEqual(20);
    await batcher.drain();
    expect(batches.flat()).toHaveLength(60);
  });

  it('says once that it failed, and takes nothing more', async () => {
    const { batcher, failures, starts } = collect({ fail: true });
    await batcher.emit(message('a'));
    await expect(batcher.drain()).rejects.toThrow('refused');
    await expect(batcher.emit(message('b'))).rejects.toThrow('refused');
    expect(failures).toHaveLength(1);
    expect(starts).toHaveLength(1);
  });

  it('appends nothing after it was told to discard', async () => {
    const { batcher, batches, starts } = collect({ appendMs: 5 });
    for (const text of ['a', 'b']) await batcher.emit(message(text));
    await batcher.discard();
    await batcher.emit(message('c'));
    await batcher.drain();
    await sleep(40);
    expect(batches).toEqual([['a']]);
    expect(starts).toHaveLength(1);
  });
});

describe('an event', () => {
  const size = (payload: object) => Buffer.byteLength(JSON.stringify(payload));

  it('that fits stays as it is', () => {
    expect(boundEvent(message('short'))).toEqual({ type: 'message', payload: { text: 'short' } });
  });

  it.each([
    ['plain', 'x'.repeat(10_000_000)],
    ['emoji', '😀'.repeat(40_000)],
    ['control characters', '\u0001'.repeat(60_000)],
  ])('that is too long loses its middle and says so: %s', (_, output) => {
    const event = boundEvent({ type: 'terminal', payload: { command: 'yes', output, exit_code: 0 } });
    expect(event.payload).toMatchObject({ command: 'yes', exit_code: 0, truncated: true });
    expect(size(event.payload)).toBeLessThanOrEqual(65_536);
    expect(JSON.stringify(event.payload)).not.toMatch(/\\ud[89a-f]/i);
  });

  it('of too many parts keeps its scalars', () => {
    const input = { list: Array.from({ length: 50_000 }, (_, index) => ({ index })) };
    const event = boundEvent({ type: 'tool_use', payload: { tool: 'Grep', input } });
    expect(event.payload).toEqual({ tool: 'Grep', truncated: true });
  });

  it('is no JSON: what cannot be kept is left out, and numbers are text', () => {
    const knot: Record<string, unknown> = { count: 1n, at: new Date(0), big: 1e300, fn: () => 1, not: NaN };
    expect(boundEvent({ type: 'tool_use', payload: { tool: 'x', input: knot } }).payload).toEqual({
      tool: 'x',
      input: { count: '1', at: '1970-01-01T00:00:00.000Z', big: '1e+300', not: 'NaN' },
    });
    knot.self = knot;
    expect(boundEvent({ type: 'tool_use', payload: { tool: 'x', input: knot } }).payload).toEqual({
      tool: 'x',
      truncated: true,
    });
  });

  it('of gigabytes is not looked at for longer than it takes to see that', () => {
    const list = Array<string>(10_000_000).fill('x'.repeat(60_000));
    const started = performance.now();
    const { payload } = boundEvent({ type: 'tool_use', payload: { tool: 'x', input: { list } } });
    expect(payload).toEqual({ tool: 'x', truncated: true });
    // Copying it all would take minutes.
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('does not keep the whole of a long text in memory', async () => {
    const { setFlagsFromString } = await import('node:v8');
    const { runInNewContext } = await import('node:vm');
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const kept: unknown[] = [];
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 20; index++) {
      kept.push(boundEvent(message(`${index}`.padEnd(10_000_000, 'x'))));
    }
    collect();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000);
    expect(kept).toHaveLength(20);
  });

  it('holds nothing that jsonb refuses', () => {
    const { payload } = boundEvent(message('a\0b\ud800c'));
    expect(payload).toEqual({ text: 'ab\ufffdc' });
  });
});

describe('the translation of SDK messages', () => {
  const project = '/data/sessions/1/project';

  const assistant = (...content: object[]) =>
    ({ type: 'assistant', message: { content }, parent_tool_use_id: null }) as unknown as SDKMessage;
  const result = (id: string, content: unknown, output?: unknown, isError = false) =>
    ({
      type: 'user',
      message: { content: [{ type: 'tool_result', tool_use_id: id, content, is_error: isError }] },
      tool_use_result: output,
    }) as unknown as SDKMessage;

  function translated(...messages: SDKMessage[]) {
    const translate = createTranslator(project, 1);
    return messages.flatMap(translate);
  }
  const afterCall = (name: string, input: object, ...results: SDKMessage[]) =>
    translated(assistant({ type: 'tool_use', id: 't', name, input }), ...results);

  it('keeps what was thought and said, without this machine in it', () => {
    expect(
      translated(
        assistant({ type: 'thinking', thinking: 'Hm.' }, { type: 'redacted_thinking', data: 'x' }),
        assistant(
          { type: 'text', text: `I wrote ${project}/App.tsx in ${project}.` },
          { type: 'text', text: ' ' },
        ),
      ),
    ).toEqual([
      { type: 'thinking', payload: { text: 'Hm.' } },
      { type: 'thinking', payload: { text: '', redacted: true } },
      { type: 'message', payload: { text: 'I wrote App.tsx in ..' } },
    ]);
  });

  it('makes a terminal event of a command and its result', () => {
    const output = { stdout: 'out', stderr: 'err', interrupted: false };
    expect(afterCall('Bash', { command: 'x' }, result('t', 'out', output))).toEqual([
      { type: 'terminal', payload: { command: 'x', output: 'out\nerr', exit_code: 0 } },
    ]);
    expect(afterCall('Bash', { command: 'x' }, result('t', 'Exit code 127\nnot found', '', true))).toEqual([
      { type: 'terminal', payload: { command: 'x', output: 'not found', exit_code: 127 } },
    ]);
    const interrupted = { stdout: 'so far', stderr: '', interrupted: true };
    expect(afterCall('Bash', { command: 'x' }, result('t', '', interrupted))).toMatchObject([
      { payload: { output: 'so far', exit_code: null } },
    ]);
    const picture = { stdout: 'iVBORw0KGgo', stderr: '', interrupted: false, isImage: true };
    expect(afterCall('Bash', { command: 'x' }, result('t', '', picture))).toMatchObject([
      { payload: { output: '[image]', exit_code: 0 } },
    ]);
  });

  it('makes a file_change of a write, with its lines counted', () => {
    const created = {
      type: 'create',
      filePath: `${project}/src/a.ts`,
      content: '1\n2\n3',
      structuredPatch: [],
    };
    expect(afterCall('Write', {}, result('t', 'ok', created))).toEqual([
      { type: 'file_change', payload: { path: 'src/a.ts', change: 'created', added: 3, removed: 0 } },
    ]);
    const edited = {
      filePath: `${project}/a.ts`,
      structuredPatch: [{ lines: [' a', '-b', '+c', '+d'] }, { lines: ['-e'] }],
    };
    expect(afterCall('Edit', {}, result('t', 'ok', edited))).toEqual([
      { type: 'file_change', payload: { path: 'a.ts', change: 'modified', added: 2, removed: 2 } },
    ]);
  });

  it('does not count what was too large to compare', () => {
    const large = { type: 'update', filePath: 'a', content: 'all', originalFile: null, structuredPatch: [] };
    expect(afterCall('Write', {}, result('t', 'ok', large))).toMatchObject([
      { payload: { change: 'modified', added: null, removed: null } },
    ]);
    const same = { ...large, originalFile: 'all' };
    expect(afterCall('Write', {}, result('t', 'ok', same))).toMatchObject([
      { payload: { added: 0, removed: 0 } },
    ]);
  });

  it('says when the model is asked again, and when the conversation is cut short', () => {
    const system = (subtype: string) => ({ type: 'system', subtype }) as unknown as SDKMessage;
    expect(translated(system('api_retry'), system('compact_boundary'), system('notification'))).toEqual([
      { type: 'status', payload: { status: 'model_retry', attempt: 1 } },
      { type: 'status', payload: { status: 'conversation_compacted', attempt: 1 } },
    ]);
  });

  it('shows what a subagent does, not what it says to the agent', () => {
    const subagent = {
      ...assistant(
        { type: 'text', text: 'Found it.' },
        { type: 'tool_use', id: 't', name: 'Bash', input: { command: 'x' } },
      ),
      parent_tool_use_id: 'task',
    } as unknown as SDKMessage;
    const output = { stdout: 'out', stderr: '', interrupted: false };
    expect(translated(subagent, result('t', 'out', output)).map(({ type }) => type)).toEqual(['terminal']);
  });

  it('makes a tool_use of any other tool, and of a write that was refused, without the file in it', () => {
    expect(afterCall('Grep', { pattern: 'x', path: project }, result('t', 'found'))).toEqual([
      { type: 'tool_use', payload: { tool: 'Grep', input: { pattern: 'x', path: '.' } } },
    ]);
    const refusal = '<tool_use_error>outside</tool_use_error>';
    expect(afterCall('Write', { file_path: '/x', content: 'all' }, result('t', refusal, '', true))).toEqual([
      { type: 'tool_use', payload: { tool: 'Write', input: { file_path: '/x' }, error: 'outside' } },
    ]);
  });
});
