import { createTally, type Settings } from './contender.ts';

export interface BatchSource<Job extends { id: string }> {
  name: string;
  claim(limit: number): Promise<Job[]>;
  /** Resolves when it is stored that these jobs have ended. */
  finish(jobs: Job[]): Promise<unknown>;
}

const STUCK_MS = 60_000;

/**
 * Takes `count` jobs in batches and ends them at once. The next batch is on its way while one is being ended, so at
 * most two are held by each of those that claim at the same time.
 * @returns ms until the last job's end is stored
 */
export async function drainInBatches<Job extends { id: string }>(
  { name, claim, finish }: BatchSource<Job>,
  { batch, atOnce }: Settings,
  count: number,
): Promise<number> {
  const tally = createTally(name);
  let left = count;
  const started = performance.now();
  let ended = started;
  async function lane(): Promise<void> {
    let next = claim(batch);
    while (left > 0) {
      const jobs = await next;
      next = claim(batch);
      // Heard below; an error here must not be without a listener meanwhile.
      next.catch(() => {});
      for (const { id } of jobs) tally.ran(id);
      if (jobs.length > 0) {
        await finish(jobs);
        left -= jobs.length;
        ended = performance.now();
      } else if (performance.now() - ended > STUCK_MS) {
        throw new Error(`${name} gets no more jobs, and ${left} are left`);
      }
    }
    await next;
  }
  await Promise.all(Array.from({ length: atOnce }, lane));
  tally.assertRan(count);
  return ended - started;
}
