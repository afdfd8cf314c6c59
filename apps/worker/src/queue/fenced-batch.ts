import { isLeaseLost, lostJobs } from './lease-lost.ts';
import { createMicroBatch, type Settled } from './micro-batch.ts';
import type { ClaimedJob } from './queue.ts';

/**
 * A micro-batch of fenced writes. The database refuses a batch of which one lease is lost as a whole: it is written
 * again without that job, so that one lost lease does not fail its neighbours.
 */
export function createFencedBatch<Item extends { job: ClaimedJob }, Result>(
  write: (items: Item[]) => Promise<Result[]>,
): (item: Item) => Promise<Result> {
  return createMicroBatch<Item, Result>(async (items) => {
    const outcomes = new Map<Item, Settled<Result>>();
    for (let left = items; left.length > 0; ) {
      try {
        const results = await write(left);
        left.forEach((item, index) => {
          outcomes.set(item, { value: results[index] as Result });
        });
        left = [];
      } catch (error) {
        const lost = new Set(lostJobs(error));
        const refused = left.filter(({ job }) => lost.has(job.id));
        if (!isLeaseLost(error) || refused.length === 0) throw error;
        for (const item of refused) outcomes.set(item, { error });
        left = left.filter((item) => !outcomes.has(item));
      }
    }
    return items.map((item) => outcomes.get(item) as Settled<Result>);
  });
}
