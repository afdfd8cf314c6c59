// A worker on a machine of its own: it shares the database with the others, and nothing else.
import { appendFile, readFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { join } from 'node:path';
import { describe } from '@mobvibe/cli';
import pg from 'pg';
import { createLog, type Executor, loadWorkerConfig, startWorker } from '../../apps/worker/src/index.ts';
import { GATE, type MachineOrder } from './machines.ts';

const VISITS = 'visits.txt';

/** Notes in the sandbox which machine was there, and answers with what it found. */
const executorOn = ({ name, url }: MachineOrder): Executor => ({
  async run({ job, sandbox }) {
    const visits = join(sandbox.project, VISITS);
    const found = await readFile(visits, 'utf8').catch(() => '');
    await appendFile(visits, `${name} `);
    if (job.prompt === 'wait') await passGate(url);
    const usage = {
      input_tokens: 0,
      output_tokens: 0,
      cache_read_input_tokens: 0,
      cache_creation_input_tokens: 0,
    };
    return { summary: found, usage, cost_usd: 0, turns: 0 };
  },
});

async function passGate(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.query('select pg_advisory_lock_shared($1)', [GATE]);
  await client.end();
}

async function main(order: MachineOrder): Promise<void> {
  process.on('disconnect', () => process.exit(0));
  os.hostname = () => order.name;
  syncBuiltinESMExports();
  const config = {
    ...loadWorkerConfig({ concurrency: 1, data: order.data, poll: 1 }),
    anthropic: undefined,
    fly: undefined,
    storage: undefined,
    http: undefined,
  };
  const worker = await startWorker({
    target: describe(order.url),
    config,
    log: createLog({ terminal: false }),
    executor: executorOn(order),
  });
  process.on('SIGTERM', () => void worker.stop({ graceMs: 5_000 }));
  process.send?.('ready');
  await worker.done;
  process.exit(0);
}

await main(JSON.parse(process.env.MACHINE ?? ''));
