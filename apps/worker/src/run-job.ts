import { errorCode } from '@mobvibe/cli';
import type { Backpressure } from './backpressure.ts';
import { createEventBatcher } from './events/batcher.ts';
import { boundEvent, type StorableEvent, storable } from './events/bound.ts';
import { NO_USAGE, type SessionEvent } from './events/event.ts';
import { type AbandonOptions, orAbandon } from './executor/abandon.ts';
import { type ExecutionResult, type Executor, isExecutorError } from './executor/executor.ts';
import { causeOf, toFailure } from './executor/failure.ts';
import { jobError } from './executor/job-errors.ts';
import { type OutputLimits, type SupervisedExecution, supervise, tokensOf } from './executor/supervise.ts';
import { createJobWrites, type JobWrites } from './job-writes.ts';
import type { Lease, StopReason } from './lease.ts';
import type { Log } from './log.ts';
import { isLeaseLost } from './queue/lease-lost.ts';
import type { Failure, JobSession, Queue, SessionUpdate } from './queue/queue.ts';
import type { Sandbox, Sandboxes } from './sandbox/sandbox.ts';
import type { FileStore } from './storage/file-store.ts';
import { keepFiles } from './storage/keep-files.ts';
import { inSpan } from './tracing.ts';

/** How an attempt ended, as far as this worker knows. */
export type Outcome = 'completed' | 'failed' | 'retried' | 'cancelled' | 'released' | 'lost';

export interface RunJobContext {
  queue: Queue;
  sandboxes: Sandboxes;
  executor: Executor;
  /** Undefined: what the agent writes stays in its sandbox. */
  fileStore?: FileStore | undefined;
  jobTimeoutMs: number;
  /** How long an executor that was told to stop may take before its place is given to the next job. */
  executorGraceMs?: number;
  /** What one attempt may write. */
  outputLimits?: OutputLimits;
  backpressure: Backpressure;
  onAppended?(events: number): void;
  log: Log;
}

/** How long the upload of a run's files may take; of one that failed or was stopped, less: its outcome waits. */
const UPLOAD_MS = 60_000;
const LAST_UPLOAD_MS = 5_000;

/** Runs one held job to its end: its events appended in order, then the job completed, failed or given back. */
export async function runJob(lease: Lease, context: RunJobContext): Promise<Outcome> {
  const { jobTimeoutMs } = context;
  const { job } = lease;
  const writes = createJobWrites({ ...context, lease });
  const log = context.log.child({ job_id: job.id, session_id: job.sessionId, attempt: job.attempt });
  const started = performance.now();
  const events = createEventBatcher<StorableEvent>({
    append: (batch) => writes.appendEvents(batch),
    onFailure: (error) => lease.stop(isLeaseLost(error) ? 'lease_lost' : 'database_error'),
  });
  const timeout = setTimeout(() => lease.stop('timeout'), jobTimeoutMs);
  let spent = NO_USAGE;
  let workplace: Workplace | undefined;
  log.info('job started');

  let outcome: Outcome;
  try {
    const abandon = {
      graceMs: context.executorGraceMs,
      onAbandon: () => log.error('the executor does not stop; going on without it'),
    };
    const running = inSpan('run', {}, () =>
      execute(lease, writes, context, {
        ...abandon,
        append: events.emit,
        onOpened: (opened) => {
          workplace = opened;
        },
        reportUsage: (usage) => {
          spent = usage;
        },
      }),
    );
    const result = await orAbandon(running, lease.signal, abandon);
    lease.signal.throwIfAborted();
    const { summary, usage, cost_usd, turns } = result;
    const duration_ms = Math.round(performance.now() - started);
    const payload = { summary, usage, cost_usd, turns, duration_ms };
    const last = boundEvent({ type: 'completed', payload });
    await events.drain();
    const stored = storable({ ...payload, summary: summary.slice(0, 2_000) }) as object;
    outcome = await inSpan('complete', {}, () => writes.complete(stored, last));
  } catch (error) {
    outcome = await conclude(error).catch((second) => {
      // Not even that could be written: the lease runs out, and the reaper takes the job back.
      log.warn({ code: errorCode(second) }, 'the outcome could not be recorded');
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
    if (lease.isLost || isLeaseLost(error)) {
      await events.discard();
      return 'lost';
    }
    if (reason === 'shutdown') {
      await flushed(() =>
        events.emit(boundEvent({ type: 'status', payload: { status: 'released', attempt: job.attempt } })),
      );
      return writes.release(tokensOf(spent));
    }
    if (reason === 'cancelled') {
      const last = { type: 'status', payload: { status: 'cancelled', attempt: job.attempt } } as const;
      return fail(toFailure(jobError('cancelled')), last);
    }
    const failure = toFailure(stopError(reason, jobTimeoutMs) ?? error);
    log.warn({ code: failure.code, cause: causeOf(error) }, 'job attempt failed');
    const willRetry = failure.retryable && job.attempt < job.maxAttempts;
    return fail(failure, { type: 'error', payload: { ...failure, retryable: willRetry } });
  }

  async function fail(failure: Failure, last: SessionEvent): Promise<Outcome> {
    const isStored = await flushed();
    if (isStored) await keepWhatIsThere();
    return writes.fail({ ...failure, tokens: tokensOf(spent) }, isStored ? boundEvent(last) : undefined);
  }

  // What a run wrote before it failed is worth having: nobody may ever try again.
  async function keepWhatIsThere(): Promise<void> {
    const { fileStore: store } = context;
    if (!workplace || !store) return;
    // A sandbox that does not answer must not cost the lease.
    const signal = AbortSignal.timeout(2 * LAST_UPLOAD_MS);
    const limits = { signal, withinMs: LAST_UPLOAD_MS, isHeld: () => !lease.isLost };
    const keeping = keepFiles({ ...workplace, ...limits, store, updateSession: writes.updateSession });
    try {
      await orAbandon(keeping, signal, { graceMs: 0 });
    } catch (error) {
      if (isLeaseLost(error)) throw error;
      log.warn({ cause: causeOf(error) }, 'the files of a run that failed could not be kept');
    }
  }

  // Events that cannot be written must not keep the outcome from being recorded.
  async function flushed(more: () => Promise<void> = async () => {}): Promise<boolean> {
    try {
      await more();
      await events.drain();
      return true;
    } catch (error) {
      if (isLeaseLost(error)) throw error;
      return false;
    }
  }
}

/** Where a run takes place. */
interface Workplace {
  session: JobSession;
  sandbox: Sandbox;
}

interface ExecuteOptions extends AbandonOptions, Pick<SupervisedExecution, 'append' | 'reportUsage'> {
  onOpened(workplace: Workplace): void;
}

async function execute(
  lease: Lease,
  writes: JobWrites,
  { sandboxes, executor, outputLimits, fileStore }: RunJobContext,
  { append, reportUsage, onOpened, ...abandon }: ExecuteOptions,
): Promise<ExecutionResult> {
  const { job, signal } = lease;
  const emit = (event: SessionEvent) => append(boundEvent(event));
  const session = await writes.readSession();
  const { limits } = session;
  if (!limits) throw jobError('unknown_tier');
  await emit({ type: 'status', payload: { status: 'started', attempt: job.attempt } });
  const sandbox = await sandboxes.open(session, signal).catch((cause) => {
    throw isExecutorError(cause) ? cause : jobError('sandbox_unavailable', { cause });
  });
  signal.throwIfAborted();
  onOpened({ session, sandbox });
  await writes.updateSession({ sandbox_id: sandbox.id });
  const updateSession = (update: SessionUpdate) => writes.updateSession(update);
  const result = await supervise(
    executor,
    { job, session: { ...session, limits }, sandbox, signal, append, updateSession, reportUsage },
    { limits: outputLimits, ...abandon },
  );
  const { webviewUrl, easUpdateUrl } = await sandbox.preview();
  const url = webviewUrl ?? easUpdateUrl;
  if (url) {
    await updateSession({
      ...(webviewUrl && { webview_url: webviewUrl }),
      ...(easUpdateUrl && { eas_update_url: easUpdateUrl }),
    });
    const payload = { url, ...(easUpdateUrl && { eas_update_url: easUpdateUrl }) };
    await emit({ type: 'preview_ready', payload });
  }
  const isHeld = () => !lease.isLost;
  await keepFiles({ session, sandbox, store: fileStore, signal, withinMs: UPLOAD_MS, isHeld, updateSession });
  return result;
}

const stopReason = (signal: AbortSignal) => (signal.aborted ? (signal.reason as StopReason) : undefined);

/** What the job's owner reads where the worker stopped the run; undefined where it ended by itself. */
function stopError(reason: StopReason | undefined, jobTimeoutMs: number): Error | undefined {
  if (reason === 'timeout') {
    const minutes = Math.round(jobTimeoutMs / 60_000) || 1;
    return jobError('timeout', { message: `The agent did not finish within ${minutes} min.` });
  }
  if (reason === 'database_error') {
    return jobError('worker_error', { message: 'The events of this run could not be stored.' });
  }
  return undefined;
}
