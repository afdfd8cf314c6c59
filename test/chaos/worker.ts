// One worker of the chaos suite, in a process of its own: the real worker, with an executor that needs no agent.
import { describe, oneLine } from '@mobvibe/cli';
import { createLog, loadWorkerConfig, type Sandboxes, startWorker } from '../../apps/worker/src/index.ts';
import { chaosExecutor } from './executor.ts';
import { NOT_STARTED, type WorkerOrder } from './order.ts';

// Nothing works in them, so there is nothing to make.
const sandboxes: Sandboxes = {
  open: async ({ id }) => ({
    id: `none:${id}`,
    project: '/nowhere',
    home: '/nowhere',
    preview: async () => ({}),
    files: async () => [],
    fingerprints: async () => [],
    async *read() {},
  }),
  list: async () => [],
  end: async () => {},
};

async function main(order: WorkerOrder): Promise<void> {
  // Whoever started this one is gone.
  process.on('disconnect', () => process.exit(0));
  const { url, workerId, leaseMs, concurrency } = order;
  const config = {
    ...loadWorkerConfig({ workerId, concurrency, lease: leaseMs / 1_000, poll: 1 }),
    anthropic: undefined,
    fly: undefined,
    storage: undefined,
    http: undefined,
  };
  const log = createLog({ terminal: false });
  let worker: Awaited<ReturnType<typeof startWorker>>;
  try {
    worker = await startWorker({ target: describe(url), config, log, sandboxes, executor: chaosExecutor });
  } catch (error) {
    log.warn({ problem: oneLine(error) }, 'not started');
    process.exit(NOT_STARTED);
  }
  process.on('SIGTERM', () => void worker.stop({ graceMs: 200 }));
  process.send?.('ready');
  await worker.done;
  process.exit(0);
}

await main(JSON.parse(process.env.CHAOS_WORKER ?? ''));
