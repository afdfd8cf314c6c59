import { EventEmitter, once } from 'node:events';
import { connect } from '@mobvibe/cli';
import { Logger, makeWorkerUtils, type RunnerOptions, run } from 'graphile-worker';
import { ownDatabase } from '../../core/own-database.ts';
import type { BenchServer } from '../../core/server.ts';
import { createTally, type QueueContender, type Settings } from './contender.ts';
import { openPool, vacuum } from './database.ts';

const TASK = 'noop';
const CONNECTIONS = 10;

/** Without a line for each job. */
export const quiet = new Logger(() => () => {});

/** graphile-worker with no-op jobs: from a local queue as large as the batch, and with batched completion. */
export async function openGraphileWorker(server: Required<BenchServer>): Promise<QueueContender> {
  const name = 'graphile-worker';
  const { target, drop } = await ownDatabase(server);
  const sql = await connect(target);
  const pool = openPool({ connectionString: target.url, max: CONNECTIONS });
  const utils = await makeWorkerUtils({ pgPool: pool, logger: quiet });
  await utils.migrate();
  let turn = 0;
  const payload = () => ({ n: turn++ });

  const addMany = (count: number) =>
    utils.addJobs(Array.from({ length: count }, () => ({ identifier: TASK, payload: payload() })));

  async function isEmpty(): Promise<boolean> {
    const { rows } = await sql.query<{ empty: boolean }>(
      'select not exists (select from graphile_worker._private_jobs) as empty',
    );
    return rows[0]?.empty ?? false;
  }

  return {
    name,
    url: target.url,
    atOnce: (batch) => (batch === 1 ? [10, 24, 50] : [10, 24, 50].filter((atOnce) => atOnce <= batch)),
    async fill(count) {
      await sql.query('truncate graphile_worker._private_jobs');
      for (let left = count; left > 0; left -= 1_000) await addMany(Math.min(left, 1_000));
      await vacuum(sql, ['graphile_worker']);
    },
    async drain(settings, count) {
      const tally = createTally(name);
      const events = new EventEmitter() as NonNullable<RunnerOptions['events']>;
      const begun = once(events, 'worker:getJob:start').then(() => performance.now());
      let left = count;
      let end = () => {};
      const ranAll = new Promise<void>((resolve) => {
        end = resolve;
      });
      const runner = await run({
        connectionString: target.url,
        taskList: {
          [TASK]: (_, { job }) => {
            tally.ran(job.id);
            if (--left === 0) end();
          },
        },
        noHandleSignals: true,
        logger: quiet,
        events,
        preset: { worker: presetOf(settings) },
      });
      try {
        await Promise.race([ranAll, runner.promise]);
        // It does not wait for its completions; they are few by now.
        while (!(await isEmpty()));
        const ms = performance.now() - (await begun);
        tally.assertRan(count);
        return ms;
      } finally {
        await runner.stop();
      }
    },
    add: () => utils.addJob(TASK, payload()),
    addMany,
    async close() {
      await utils.release();
      await Promise.all([pool.end(), sql.end()]);
      await drop();
    },
  };
}

/** What its documentation says makes it fast. https://worker.graphile.org/docs/performance */
function presetOf({ batch, atOnce }: Settings) {
  const shared = { concurrentJobs: atOnce, maxPoolSize: atOnce + 2 };
  if (batch === 1) return shared;
  return { ...shared, localQueue: { size: batch }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
}
