export type { WorkerSummary } from './claim-loop.ts';
export { loadWorkerConfig, type WorkerConfig, type WorkerSettings, workerTarget } from './config.ts';
export type { Payloads, SessionEvent, Usage } from './events/event.ts';
export { type ClaudeExecutorOptions, createClaudeExecutor } from './executor/claude/claude.ts';
export {
  type Execution,
  type ExecutionResult,
  type Executor,
  ExecutorError,
  isExecutorError,
} from './executor/executor.ts';
export { createFailingExecutor, FAILING_MODES, type FailingMode } from './executor/failing.ts';
export { JOB_ERRORS, type JobErrorCode, jobError } from './executor/job-errors.ts';
export { createNoopExecutor, type NoopExecutorOptions } from './executor/noop.ts';
export { createLog, type Log } from './log.ts';
export type { ModelAccess, ModelApi } from './model-api/model-api.ts';
export { openAnthropicRelay } from './model-api/relay.ts';
export { openScriptedModelApi } from './model-api/scripted.ts';
export { type ModelServerOptions, startModelServer } from './model-server/server.ts';
export { isLeaseLost } from './queue/lease-lost.ts';
export { createOperations, type Operations, type QueueStats } from './queue/operations.ts';
export {
  type Claim,
  type ClaimedJob,
  createQueue,
  type Failure,
  type Heartbeat,
  type JobSession,
  type Queue,
  type SessionUpdate,
} from './queue/queue.ts';
export type { Outcome } from './run-job.ts';
export { openLocalSandboxes } from './sandbox/local.ts';
export type { Sandbox, Sandboxes } from './sandbox/sandbox.ts';
export { type StartWorkerOptions, startWorker, type Worker } from './worker.ts';
