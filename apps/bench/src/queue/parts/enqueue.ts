import { step } from '@mobvibe/cli';
import { groupOf, ratioCheck } from '../../core/group.ts';
import { interleave, throughput } from '../../core/interleave.ts';
import type { Group } from '../../core/result.ts';
import { median } from '../../core/statistics.ts';
import type { QueueContender } from '../contenders/contender.ts';
import { type Bench, everyone } from './part.ts';

const BULK = 1_000;

/** Adding jobs: one a call over one connection and over ten, and 1,000 a call. */
export async function measureEnqueue(bench: Bench): Promise<Group[]> {
  const { enqueues, bulks } = bench.scale;
  return [
    await compare(bench, 'enqueue, 1 connection', (contender) =>
      throughput(enqueues, 1, () => contender.add()),
    ),
    await compare(
      bench,
      'enqueue, 10 connections',
      (contender) => throughput(enqueues, 10, () => contender.add()),
      1.5,
    ),
    await compare(bench, `enqueue, ${BULK.toLocaleString('en')} a call`, async (contender) => {
      const [calls = 0] = await throughput(bulks, 1, () => contender.addMany(BULK));
      return [calls * BULK];
    }),
  ];
}

async function compare(
  bench: Bench,
  title: string,
  measure: (contender: QueueContender) => Promise<number[]>,
  atLeast?: number,
): Promise<Group> {
  const contenderOf = (contender: QueueContender) => ({
    name: contender.name,
    slice: async () => {
      await contender.fill(0);
      if (contender === bench.ours) await bench.ours.setIdle(false);
      return measure(contender);
    },
  });
  const waking = {
    name: 'ours, while a worker waits for jobs',
    slice: async () => {
      await bench.ours.fill(0);
      await bench.ours.setIdle(true);
      return measure(bench.ours);
    },
  };
  const [a, b, c] = everyone(bench);
  const contenders = [contenderOf(a), contenderOf(b), contenderOf(c), waking] as const;
  const series = await step(title, (progress) => interleave(contenders, { ...bench.run, progress }));
  const [ours, graphileWorker, pgBoss] = series;
  const peers = [graphileWorker, pgBoss];
  const most = Math.max(...peers.map(({ rounds }) => median(rounds.flat())));
  const better = peers.find(({ rounds }) => median(rounds.flat()) === most);
  return groupOf(
    title,
    'per second',
    series,
    peers.map((peer) => ratioCheck(ours, peer, peer === better && atLeast ? { atLeast } : undefined)),
  );
}
