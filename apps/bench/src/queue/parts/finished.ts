import { readFile } from 'node:fs/promises';
import { step, withConnection } from '@mobvibe/cli';
import { groupOf, ratioCheck } from '../../core/group.ts';
import { interleave } from '../../core/interleave.ts';
import { type OwnDatabase, ownDatabase } from '../../core/own-database.ts';
import type { Group } from '../../core/result.ts';
import type { BenchServer } from '../../core/server.ts';
import { openOurs } from '../contenders/ours.ts';
import type { Scale } from '../scale.ts';
import { type Bench, draining } from './part.ts';

/**
 * A copy of our database, with jobs that ended long ago. Nobody may be connected to ours meanwhile.
 */
export async function makeFinished(
  server: Required<BenchServer>,
  { finished }: Pick<Scale, 'finished'>,
): Promise<OwnDatabase> {
  const sql = await readFile(new URL('finished.sql', import.meta.url), 'utf8');
  return step(`${finished.toLocaleString('en')} finished jobs`, async () => {
    const template = new URL(server.target.url).pathname.slice(1);
    const database = await ownDatabase(server, template);
    await withConnection(database.admin, async (client) => {
      await client.query('begin');
      await client.query(`select set_config('bench.finished', $1, true)`, [String(finished)]);
      await client.query(sql);
      await client.query('commit');
    });
    return database;
  });
}

/** Our throughput with many finished jobs in the table against that with none. */
export async function measureFinished(bench: Bench, { target, admin }: OwnDatabase): Promise<Group[]> {
  const { scale, run, ours, calibrate } = bench;
  const settings = await calibrate(ours, [100]);
  const title = `no-op jobs, with ${scale.finished.toLocaleString('en')} finished ones in the table`;
  const full = await openOurs({ target, admin, name: 'ours, many finished', keepEnded: true });
  try {
    const contenders = [draining(full, settings, scale), draining(ours, settings, scale)] as const;
    const series = await step(title, (progress) => interleave(contenders, { ...run, progress }));
    const [many, none] = series;
    return [groupOf(title, 'per second', series, [ratioCheck(many, none, { atLeast: 0.85 })])];
  } finally {
    await full.close();
  }
}
