import { step } from '@mobvibe/cli';
import { groupOf, ratioCheck } from '../../core/group.ts';
import { interleave } from '../../core/interleave.ts';
import type { Group, Target } from '../../core/result.ts';
import { atItsBest, type Bench, everyone } from './part.ts';

/** No-op jobs, each contender with the settings that are the best for it. */
export const measureThroughput = async (bench: Bench): Promise<Group[]> => [
  await compare(bench, 'no-op jobs, each at its best', bench.scale.best, [
    { atLeast: 1.2 },
    { atLeast: 1.5 },
  ]),
];

/** No-op jobs, everybody with batches of the same size. */
export async function measureBatches(bench: Bench): Promise<Group[]> {
  const groups: Group[] = [];
  for (const batch of bench.scale.batches) {
    const title = batch === 1 ? 'no-op jobs, claimed one by one' : `no-op jobs, in batches of ${batch}`;
    groups.push(await compare(bench, title, [batch], [{ atLeast: 1.2 }, { atLeast: 1.2 }]));
  }
  return groups;
}

async function compare(
  bench: Bench,
  title: string,
  batches: readonly number[],
  [toGraphileWorker, toPgBoss]: [Target, Target],
): Promise<Group> {
  return step(title, async (progress) => {
    const [a, b, c] = everyone(bench);
    const contenders = [
      await atItsBest(bench, a, batches),
      await atItsBest(bench, b, batches),
      await atItsBest(bench, c, batches),
    ] as const;
    const series = await interleave(contenders, { ...bench.run, progress });
    const [ours, graphileWorker, pgBoss] = series;
    return groupOf(title, 'per second', series, [
      ratioCheck(ours, graphileWorker, toGraphileWorker),
      ratioCheck(ours, pgBoss, toPgBoss),
    ]);
  });
}
