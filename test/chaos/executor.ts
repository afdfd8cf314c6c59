import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Executor, ExecutorError } from '../../apps/worker/src/index.ts';
import type { Work } from './plan.ts';

const FAILURE_CODE = 'told_to_fail';
/** What each attempt that fails by itself has used. */
export const FAILURE_TOKENS = 7;

const USAGE = {
  input_tokens: 10,
  output_tokens: 5,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
};

/**
 * Does what the prompt says, and leaves marks that tell who did it: every run of a job has an id of its own, so that
 * work which was applied twice cannot look like work applied once.
 */
export const chaosExecutor: Executor = {
  async run({ job, emit, updateSession, reportUsage, signal }) {
    const { kind, marks, ms } = JSON.parse(job.prompt) as Work;
    const run = randomUUID();
    const fail = (retryable: boolean) => {
      reportUsage({ ...USAGE, input_tokens: FAILURE_TOKENS, output_tokens: 0 });
      throw new ExecutorError(FAILURE_CODE, 'Told to fail.', { retryable });
    };

    for (let n = 1; n <= marks; n++) {
      const mark = { run, attempt: job.attempt, n, of: marks };
      await emit({ type: 'tool_use', payload: { tool: 'mark', input: mark } });
      if (kind === 'loud') {
        const output = 'x'.repeat(1_000);
        await emit({ type: 'terminal', payload: { command: 'yes', output, exit_code: 0 } });
      }
      if (ms > 0) await sleep(ms / marks, undefined, { signal });
    }
    if (kind === 'update') await updateSession({ metadata: { [job.id]: run } });
    if (kind === 'poison') process.kill(process.pid, 'SIGKILL');
    if (kind === 'flaky' && job.attempt === 1) fail(true);
    if (kind === 'failing') fail(true);
    if (kind === 'refused') fail(false);
    return { summary: run, usage: USAGE, cost_usd: 0, turns: 1 };
  },
};
