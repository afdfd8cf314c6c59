import type { Run } from '../../core/benchmark.ts';
import type { Contender } from '../../core/interleave.ts';
import type { Calibrate } from '../calibrate.ts';
import { rate } from '../calibrate.ts';
import { named, type QueueContender, type Settings } from '../contenders/contender.ts';
import type { Ours } from '../contenders/ours.ts';
import type { Scale } from '../scale.ts';

/** What the parts of this benchmark have in common. */
export interface Bench {
  /** Its warm-up is a single round: the settings were tried out before. */
  run: Run;
  scale: Scale;
  ours: Ours;
  graphileWorker: QueueContender;
  pgBoss: QueueContender;
  calibrate: Calibrate;
}

/** The contender with the best of its settings for these batch sizes; a slice is a queue that it drains. */
export async function atItsBest(
  { scale, calibrate }: Pick<Bench, 'scale' | 'calibrate'>,
  contender: QueueContender,
  batches: readonly number[],
): Promise<Contender> {
  return draining(contender, await calibrate(contender, batches), scale);
}

export const draining = (
  contender: QueueContender,
  settings: Settings,
  { jobsOf }: Pick<Scale, 'jobsOf'>,
): Contender => ({
  name: named(contender.name, settings),
  slice: async () => [await rate(contender, settings, jobsOf(settings.batch))],
});

/** The three, in the order of the figures. */
export const everyone = ({ ours, graphileWorker, pgBoss }: Bench) => [ours, graphileWorker, pgBoss] as const;
