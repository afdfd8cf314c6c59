import { describe, expect, it } from 'vitest';
import type { StorableEvent } from '../../src/events/bound.ts';
import { NO_USAGE } from '../../src/events/event.ts';
import { orAbandon } from '../../src/executor/abandon.ts';
import type { Executor } from '../../src/executor/executor.ts';
import { createFailingExecutor, type FailingMode } from '../../src/executor/failing.ts';
import { causeOf, toFailure } from '../../src/executor/failure.ts';
import { JOB_ERRORS } from '../../src/executor/job-errors.ts';
import { createNoopExecutor } from '../../src/executor/noop.ts';
import { OUTPUT_LIMITS, type SupervisedExecution, supervise } from '../../src/executor/supervise.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';

const done = { summary: 'Done.', usage: NO_USAGE, cost_usd: 0, turns: 0 };

/** Runs an executor with nothing around it but what holds it. */
function run(
  executor: Executor,
  options: {
    limits?: typeof OUTPUT_LIMITS;
    signal?: AbortSignal;
    append?: () => Promise<void>;
    graceMs?: number;
  } = {},
) {
  const appended: StorableEvent[] = [];
  const updates: object[] = [];
  const used: object[] = [];
  const execution: SupervisedExecution = {
    job: { id: 'job', sessionId: 'session', prompt: '', attempt: 1, maxAttempts: 3 },
    session: {
      id: 'session',
      userId: 'user',
      projectId: 'project',
      sandboxId: null,
      webviewUrl: null,
      metadata: {},
      projectName: '',
      projectTemplate: '',
      tier: 'free',
      limits: { model: null, maxTurns: 1, maxBudgetUsd: 1 },
    },
    // None of these executors touches a sandbox.
    sandbox: undefined as unknown as Sandbox,
    signal: options.signal ?? new AbortController().signal,
    append: async (event) => {
      appended.push(event);
      await options.append?.();
    },
    updateSession: async (update) => {
      updates.push(update);
    },
    reportUsage: (usage) => {
      used.push(usage);
    },
  };
  return { appended, updates, used, result: supervise(executor, execution, options) };
}

const fails = (mode: FailingMode) => run(createFailingExecutor({ mode }));

describe('an executor under supervision', () => {
  it.each([
    ['fail', 'agent_failed'],
    ['throw', 'worker_error'],
    ['reject', 'worker_error'],
    ['misname', 'worker_error'],
    ['invent', 'executor_fault'],
    ['miscount', 'executor_fault'],
    ['forget', 'executor_fault'],
    ['flood', 'output_limit'],
    ['babble', 'output_limit'],
  ] as [FailingMode, string][])('that does %s fails with %s', async (mode, code) => {
    const { result, appended } = fails(mode);
    const error = await result.then(
      () => undefined,
      (caught: unknown) => ({ caught }),
    );
    expect(error).toBeDefined();
    expect(toFailure(error?.caught)).toMatchObject({ code });
    expect(() => causeOf(error?.caught)).not.toThrow();
    expect(appended.length).toBeLessThanOrEqual(OUTPUT_LIMITS.events);
  });

  it.each(['shout', 'tangle'] as FailingMode[])(
    'that does %s succeeds, its event cut to size',
    async (mode) => {
      const { result, appended } = fails(mode);
      await expect(result).resolves.toMatchObject({ summary: 'Done.' });
      expect(appended).toHaveLength(1);
      expect(appended[0]?.payload).toMatchObject({ truncated: true });
      expect(JSON.stringify(appended).length).toBeLessThan(66_000);
    },
  );

  it('adds nothing after its end', async () => {
    const { result, appended, updates } = fails('linger');
    await result;
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
    expect([appended, updates]).toEqual([[], []]);
  });

  it('has as many events, and bytes of them, as it may', async () => {
    const text = (length: number) => ({
      type: 'message' as const,
      payload: { text: 'x'.repeat(length) },
    });
    const three = createNoopExecutor({ events: [text(10), text(10), text(10)] });
    await expect(run(three, { limits: { events: 3, bytes: 1_000 } }).result).resolves.toBeDefined();
    const fewer = run(three, { limits: { events: 2, bytes: 1_000 } });
    await expect(fewer.result).rejects.toMatchObject({ code: 'output_limit', retryable: false });
    expect(fewer.appended).toHaveLength(2);
    const shorter = run(three, { limits: { events: 3, bytes: 50 } });
    await expect(shorter.result).rejects.toMatchObject({ code: 'output_limit' });
    expect(shorter.appended).toHaveLength(2);
  });

  it('waits while its events cannot be appended', async () => {
    let makeRoom = () => {};
    const room = new Promise<void>((resolve) => {
      makeRoom = resolve;
    });
    const message = { type: 'message' as const, payload: { text: 'x' } };
    const { result, appended } = run(createNoopExecutor({ events: [message, message] }), {
      append: () => room,
    });
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    expect(appended).toHaveLength(1);
    makeRoom();
    await result;
    expect(appended).toHaveLength(2);
  });

  it('can write nothing more once it was told to stop, and ends with the reason', async () => {
    const controller = new AbortController();
    const { result, appended, updates } = run(
      {
        async run({ emit, updateSession }) {
          controller.abort('cancelled');
          await emit({ type: 'message', payload: { text: 'late' } }).catch(() => {});
          await updateSession({ sandbox_id: 'late' }).catch(() => {});
          return done;
        },
      },
      { signal: controller.signal },
    );
    await expect(result).rejects.toBe('cancelled');
    expect([appended, updates]).toEqual([[], []]);
  });

  it('is left behind where it broke a rule and does not end', async () => {
    const { result } = run(
      {
        run({ emit }) {
          void emit({ type: 'applause', payload: {} } as never);
          return new Promise<never>(() => {});
        },
      },
      { graceMs: 20 },
    );
    await expect(result).rejects.toMatchObject({ code: 'executor_fault' });
  });

  it('may not report usage that adds up to nothing', async () => {
    const { result, used } = run({
      async run({ reportUsage }) {
        reportUsage({ ...NO_USAGE, output_tokens: 5 });
        reportUsage({ ...NO_USAGE, output_tokens: -5 });
        return done;
      },
    });
    await expect(result).rejects.toMatchObject({ code: 'executor_fault' });
    expect(used).toEqual([{ ...NO_USAGE, output_tokens: 5 }]);
  });
});

describe('an executor that ignores its signal', () => {
  const forever = new Promise<never>(() => {});

  it('is left behind after a while', async () => {
    const controller = new AbortController();
    let abandoned = 0;
    const outcome = orAbandon(forever, controller.signal, { graceMs: 50, onAbandon: () => abandoned++ });
    controller.abort('timeout');
    await expect(outcome).rejects.toBe('timeout');
    expect(abandoned).toBe(1);
  });

  it('is given that while', async () => {
    const controller = new AbortController();
    const work = new Promise((resolve) => {
      controller.signal.addEventListener('abort', () => setTimeout(resolve, 10, 'ended'));
    });
    const outcome = orAbandon(work, controller.signal, { onAbandon: () => expect.unreachable() });
    controller.abort('timeout');
    await expect(outcome).resolves.toBe('ended');
  });

  it('may have been told before', async () => {
    await expect(orAbandon(forever, AbortSignal.abort('shutdown'), { graceMs: 10 })).rejects.toBe('shutdown');
  });
});

describe('the table of errors', () => {
  it('names codes that the database takes, and lines that a person can read', () => {
    for (const [code, { message }] of Object.entries(JOB_ERRORS)) {
      expect(code).toMatch(/^[a-z][a-z_]{0,63}$/);
      expect(message).toMatch(/^[A-Z][^\n]+\.$/);
    }
  });
});
