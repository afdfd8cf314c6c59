import { connect } from '@mobvibe/cli';
import { type Job, PgBoss } from 'pg-boss';
import { ownDatabase } from '../../core/own-database.ts';
import type { BenchServer } from '../../core/server.ts';
import { drainInBatches } from './batches.ts';
import type { QueueContender } from './contender.ts';
import { vacuum } from './database.ts';

const QUEUE = 'noop';
const CONNECTIONS = 12;

/**
 * pg-boss with no-op jobs: `fetch` and `complete`, since its `work` waits between two fetches; without supervision
 * and schedules.
 */
export async function openPgBoss(server: Required<BenchServer>): Promise<QueueContender> {
  const name = 'pg-boss';
  const { target, drop } = await ownDatabase(server);
  const sql = await connect(target);
  const boss = new PgBoss({
    connectionString: target.url,
    max: CONNECTIONS,
    supervise: false,
    schedule: false,
  });
  await boss.start();
  await boss.createQueue(QUEUE, { partition: true });
  let turn = 0;
  const payload = () => ({ n: turn++ });
  const addMany = (count: number) =>
    boss.insert(
      QUEUE,
      Array.from({ length: count }, () => ({ data: payload() })),
    );

  return {
    name,
    url: target.url,
    atOnce: (batch) => (batch === 1 ? [1, 4, 10] : [1, 2]),
    async fill(count) {
      await boss.deleteAllJobs(QUEUE);
      for (let left = count; left > 0; left -= 1_000) await addMany(Math.min(left, 1_000));
      await vacuum(sql, ['pgboss']);
    },
    async drain(settings, count) {
      const ms = await drainInBatches<Job>(
        {
          name,
          claim: (batchSize) => boss.fetch(QUEUE, { batchSize }),
          finish: (jobs) =>
            boss.complete(
              QUEUE,
              jobs.map(({ id }) => id),
            ),
        },
        settings,
        count,
      );
      const { rows } = await sql.query<{ ended: number }>(
        `select count(*)::integer as ended from pgboss.job where name = $1 and state = 'completed'`,
        [QUEUE],
      );
      if (rows[0]?.ended !== count) throw new Error(`${name} recorded ${rows[0]?.ended} of ${count} jobs`);
      return ms;
    },
    add: () => boss.send(QUEUE, payload()),
    addMany,
    async close() {
      await boss.stop({ graceful: false });
      await sql.end();
      await drop();
    },
  };
}
