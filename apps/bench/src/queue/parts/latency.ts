import { setTimeout as sleep } from 'node:timers/promises';
import { step } from '@mobvibe/cli';
import { figureCheck, groupOf } from '../../core/group.ts';
import { type Contender, interleave } from '../../core/interleave.ts';
import type { Group } from '../../core/result.ts';
import { percentile } from '../../core/statistics.ts';
import type { Bench } from './part.ts';
import { openGraphileWaiting, openOursWaiting, openPgBossWaiting, type Waiting } from './waiting.ts';

const PAUSE_MS = { least: 5, most: 25 };

/** How long it takes from before the call that adds a job until an idle worker starts it. */
export async function measureLatency(bench: Bench): Promise<Group[]> {
  const { run, scale } = bench;
  const title = 'from enqueue to start, idle worker';
  const opened: Waiting[] = [];
  const open = async (opening: Promise<Waiting>) => {
    const waiting = await opening;
    opened.push(waiting);
    return waiting;
  };
  try {
    for (const contender of [bench.ours, bench.graphileWorker, bench.pgBoss]) await contender.fill(0);
    const ours = await open(openOursWaiting(bench.ours));
    const graphileWorker = await open(openGraphileWaiting(bench.graphileWorker.url));
    const pgBoss = await open(openPgBossWaiting(bench.pgBoss.url));
    const contender = (name: string, add: Waiting['started']): Contender => ({
      name,
      slice: () => oneByOne(scale.latencies, add),
    });
    const contenders = [
      contender('ours', ours.started),
      contender('graphile-worker', graphileWorker.started),
      contender('pg-boss', pgBoss.started),
      contender('ours, until the executor runs', ours.executing ?? ours.started),
    ] as const;
    const series = await step(title, (progress) => interleave(contenders, { ...run, progress }));
    const [a, b] = series.map(({ rounds }) => percentile(rounds.flat(), 95)) as [number, number];
    return [
      groupOf(title, 'ms', series, [figureCheck('ours / graphile-worker, p95', a / b, '×', { atMost: 1 })]),
    ];
  } finally {
    for (const { close } of opened.reverse()) await close();
  }
}

async function oneByOne(count: number, start: () => Promise<number>): Promise<number[]> {
  const samples: number[] = [];
  for (let index = 0; index < count; index++) {
    await sleep(PAUSE_MS.least + Math.random() * (PAUSE_MS.most - PAUSE_MS.least));
    samples.push(await start());
  }
  return samples;
}
