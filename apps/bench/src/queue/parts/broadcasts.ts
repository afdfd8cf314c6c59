import { step } from '@mobvibe/cli';
import { groupOf, ratioCheck } from '../../core/group.ts';
import { interleave } from '../../core/interleave.ts';
import type { Group } from '../../core/result.ts';
import { atItsBest, type Bench } from './part.ts';

/** What it costs that the owners' devices hear of each step of a job, which no peer does. */
export async function measureBroadcasts(bench: Bench): Promise<Group[]> {
  const { ours, run, scale } = bench;
  const title = 'no-op jobs, with and without the broadcasts to the devices of their owners';
  return step(title, async (progress) => {
    const broadcasting = await atItsBest(bench, ours, scale.best);
    const silent = {
      name: 'ours, without broadcasts',
      slice: () => ours.withoutBroadcasts(() => broadcasting.slice()),
    };
    const series = await interleave([broadcasting, silent], { ...run, progress });
    const [told, untold] = series;
    return [groupOf(title, 'per second', series, [ratioCheck(told, untold)])];
  });
}
