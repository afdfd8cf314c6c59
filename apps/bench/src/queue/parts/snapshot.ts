import { describe, step, withConnection } from '@mobvibe/cli';
import { groupOf, ratioCheck } from '../../core/group.ts';
import { type Contender, interleave } from '../../core/interleave.ts';
import type { Group } from '../../core/result.ts';
import { named, type QueueContender } from '../contenders/contender.ts';
import { type Bench, everyone } from './part.ts';

const BATCHES = [1, 100];

/** No-op jobs while a transaction holds an old snapshot, so that no dead row can be removed. */
export async function measureOldSnapshot(bench: Bench): Promise<Group[]> {
  const groups: Group[] = [];
  for (const batch of BATCHES) {
    const title = `no-op jobs under an old snapshot, ${batch === 1 ? 'claimed one by one' : `in batches of ${batch}`}`;
    groups.push(
      await step(title, async (progress) => {
        const [a, b, c] = everyone(bench);
        const contenders = [
          await underOldSnapshot(bench, a, batch),
          await underOldSnapshot(bench, b, batch),
          await underOldSnapshot(bench, c, batch),
        ] as const;
        const series = await interleave(contenders, { ...bench.run, progress });
        const [ours, ...peers] = series;
        return groupOf(
          title,
          'per second',
          series,
          peers.map((peer) => ratioCheck(ours, peer, { atLeast: 1 })),
        );
      }),
    );
  }
  return groups;
}

async function underOldSnapshot(
  { scale, calibrate }: Bench,
  contender: QueueContender,
  batch: number,
): Promise<Contender> {
  const settings = await calibrate(contender, [batch]);
  const jobs = scale.jobsOf(batch);
  return {
    name: named(contender.name, settings),
    slice: async () => {
      await contender.fill(jobs);
      return withConnection(describe(contender.url), async (client) => {
        await client.query('begin isolation level repeatable read');
        // The first statement takes the snapshot.
        await client.query('select 1');
        const ms = await contender.drain(settings, jobs);
        await client.query('commit');
        return [(jobs * 1000) / ms];
      });
    },
  };
}
