import { oneLine } from '@mobvibe/cli';
import { createEventBatcher } from './events/batcher.ts';
import { boundEvent, storable } from './events/bound.ts';
import type { SessionEvent } from './events/event.ts';
import { type ExecutionResult, type Executor, isExecutorError } from './executor/executor.ts';
import type { Lease, StopReason } from './lease.ts';
import type { Log } from './log.ts';
import { isLeaseLost } from './queue/lease-lost.ts';
import type { Failure, Queue } from './queue/queue.ts';
import type { Sandboxes } from './sandbox/sandbox.ts';

/** How an attempt ended, as far as this worker knows. */
export type Outcome = 'completed' | 'failed' | 'retried' | 'cancelled' | 'released' | 'lost';

export interface RunJobContext {
  queue: Queue;
  sandboxes: Sandboxes;
  executor: Executor;
  jobTimeoutMs: number;
  log: Log;
}

// coding_sessions.metadata holds 256 KiB, and more than the paths of files.
const MAX_FILES_BYTES = 128 * 1024;

/** Runs one held job to its end: its events appended in order, then the job completed, failed or given back. */
export async function runJob(lease: Lease, context: RunJobContext): Promise<Outcome> {
  const { queue, jobTimeoutMs } = context;
  const { job } = lease;
  const log = context.log.child({ job_id: job.id, session_id: job.sessionId, attempt: job.attempt });
  const started = performance.now();
  const events = createEventBatcher({
    append: (batch) => queue.appendEvents(job, batch.map(boundEvent)),
    onFailure: (error) => lease.stop(isLeaseLost(error) ? 'lease_lost' : 'database_error'),
  });
  const timeout = setTimeout(() => lease.stop('timeout'), jobTimeoutMs);
  log.info('job started');

  let outcome: Outcome;
  try {
    const result = await execute(lease, context, (event) => events.emit(event));
    lease.signal.throwIfAborted();
    const { summary, usage, cost_usd, turns } = result;
    const duration_ms = Math.round(performance.now() - started);
    await events.emit({ type: 'completed', payload: { summary, usage, cost_usd, turns, duration_ms } });
    await events.drain();
    await queue.complete(
      job,
      storable({ summary: summary.slice(0, 2_000), usage, cost_usd, turns, duration_ms }) as object,
    );
    outcome = 'completed';
  } catch (error) {
    outcome = await conclude(error).catch((second) => {
      // Not even that could be written: the lease runs out, and the reaper takes the job back.
      log.warn({ code: (second as { code?: string }).code }, 'the outcome could not be recorded');
      return 'lost' as const;
    });
  } finally {
    clearTimeout(timeout);
    await events.discard();
  }
  log.info({ outcome, duration_ms: Math.round(performance.now() - started) }, `job ${outcome}`);
  return outcome;

  async function conclude(error: unknown): Promise<Outcome> {
    const reason = stopReason(lease.signal);
    if (reason === 'lease_lost' || isLeaseLost(error)) {
      await events.discard();
      return 'lost';
    }
    if (reason === 'shutdown') {
      await say({ type: 'status', payload: { status: 'released', attempt: job.attempt } });
      await queue.release(job);
      return 'released';
    }
    if (reason === 'cancelled') {
      await say({ type: 'status', payload: { status: 'cancelled', attempt: job.attempt } });
      await queue.fail(job, { code: 'cancelled', message: 'Cancelled.', retryable: false });
      return 'cancelled';
    }
    const failure = toFailure(error, reason, jobTimeoutMs);
    log.warn({ code: failure.code, cause: causeOf(error) }, 'job attempt failed');
    const willRetry = failure.retryable && job.attempt < job.maxAttempts;
    await say({ type: 'error', payload: { ...failure, retryable: willRetry } });
    return (await queue.fail(job, failure)) === 'pending' ? 'retried' : 'failed';
  }

  // An event that cannot be written must not keep the outcome from being recorded.
  async function say(event: SessionEvent): Promise<void> {
    try {
      await events.emit(event);
      await events.drain();
    } catch (error) {
      if (isLeaseLost(error)) throw error;
    }
  }
}

async function execute(
  lease: Lease,
  { queue, sandboxes, executor }: RunJobContext,
  emit: (event: SessionEvent) => Promise<void>,
): Promise<ExecutionResult> {
  const { job, signal } = lease;
  await emit({ type: 'status', payload: { status: 'started', attempt: job.attempt } });
  const session = await queue.readSession(job);
  const sandbox = await sandboxes.open(session.id);
  await queue.updateSession(job, { sandbox_id: sandbox.id });
  const result = await executor.run({
    job,
    session,
    sandbox,
    signal,
    emit,
    updateSession: (update) => queue.updateSession(job, update),
  });
  signal.throwIfAborted();
  const url = (await sandbox.previewUrl()) ?? session.webviewUrl;
  await queue.updateSession(job, {
    metadata: { files: upToBytes(await sandbox.files(), MAX_FILES_BYTES) },
    ...(url && { webview_url: url }),
  });
  if (url) await emit({ type: 'preview_ready', payload: { url } });
  return result;
}

function upToBytes(lines: string[], most: number): string[] {
  let size = 0;
  return lines.filter((line) => {
    size += Buffer.byteLength(JSON.stringify(line)) + 2;
    return size <= most;
  });
}

const stopReason = (signal: AbortSignal) => (signal.aborted ? (signal.reason as StopReason) : undefined);

function toFailure(error: unknown, reason: StopReason | undefined, jobTimeoutMs: number): Failure {
  if (reason === 'timeout') {
    const message = `The agent did not finish within ${Math.round(jobTimeoutMs / 60_000) || 1} min.`;
    return { code: 'timeout', message, retryable: false };
  }
  if (reason === 'database_error') {
    return { code: 'worker_error', message: 'The events of this run could not be stored.', retryable: true };
  }
  if (isExecutorError(error)) return { code: error.code, message: error.message, retryable: error.retryable };
  return { code: 'worker_error', message: 'The worker failed to run this job.', retryable: true };
}

// For the operator's log; the owner reads only the failure's message.
function causeOf(error: unknown): string | undefined {
  if (isExecutorError(error))
    return error.cause === undefined ? undefined : oneLine(error.cause).slice(0, 300);
  return oneLine(error).slice(0, 300);
}
