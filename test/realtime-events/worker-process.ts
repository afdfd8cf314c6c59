// A worker in a process of its own: the real one, whose agent says so many things a job, as fast as it may.
import { describe } from '@mobvibe/cli';
import { createLog, createNoopExecutor, loadWorkerConfig, startWorker } from '../../apps/worker/src/index.ts';

const { WORKER_URL = '', WORKER_DATA = '', JOBS = '', EVENTS = '' } = process.env;
const worker = await startWorker({
  target: describe(WORKER_URL),
  config: {
    ...loadWorkerConfig({ data: WORKER_DATA, poll: 1 }),
    anthropic: undefined,
    fly: undefined,
    storage: undefined,
    http: undefined,
  },
  log: createLog({ level: 'silent' }),
  executor: createNoopExecutor({
    events: Array.from({ length: Number(EVENTS) }, (_, index) => ({
      type: 'message',
      payload: { text: `${index + 1}` },
    })),
  }),
  jobs: Number(JOBS),
});
await worker.done;
process.exit();
