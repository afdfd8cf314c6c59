import { say } from '@mobvibe/cli';
import { median } from '../core/statistics.ts';
import { named, type QueueContender, type Settings } from './contenders/contender.ts';
import type { Scale } from './scale.ts';

/** Jobs a second of one slice. */
export async function rate(contender: QueueContender, settings: Settings, jobs: number): Promise<number> {
  await contender.fill(jobs);
  return (jobs * 1000) / (await contender.drain(settings, jobs));
}

export type Calibrate = (contender: QueueContender, batches: readonly number[]) => Promise<Settings>;

/** Finds the settings with which a contender is the fastest, among those that have one of the batch sizes. */
export function createCalibration({ jobsOf, calibrations }: Scale, signal: AbortSignal): Calibrate {
  const known = new Map<string, number>();

  async function rateOf(contender: QueueContender, settings: Settings): Promise<number> {
    const name = named(contender.name, settings);
    const found = known.get(name);
    if (found !== undefined) return found;
    const rates: number[] = [];
    for (let round = 0; round < calibrations; round++) {
      signal.throwIfAborted();
      rates.push(await rate(contender, settings, jobsOf(settings.batch)));
    }
    known.set(name, median(rates));
    say(`${name}: ${Math.round(median(rates)).toLocaleString('en')} jobs a second`);
    return median(rates);
  }

  return async (contender, batches) => {
    let best: { settings: Settings; rate: number } | undefined;
    for (const batch of batches) {
      for (const atOnce of contender.atOnce(batch)) {
        const settings = { batch, atOnce };
        const found = await rateOf(contender, settings);
        if (!best || found > best.rate) best = { settings, rate: found };
      }
    }
    if (!best) throw new Error(`${contender.name} has no settings for these batches`);
    return best.settings;
  };
}
