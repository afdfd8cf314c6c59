/** How a contender takes its jobs. */
export interface Settings {
  /** Jobs a claim. */
  batch: number;
  /** Claims at the same time; of graphile-worker: jobs at the same time. */
  atOnce: number;
}

/** A queue, and a worker of it that does nothing with a job. */
export interface QueueContender {
  name: string;
  /** Its database, as postgres. */
  url: string;
  /** Values of `atOnce` that may be the best for batches of this size. */
  atOnce(batch: number): number[];
  /** Leaves `count` waiting jobs and nothing else in the queue, with fresh statistics. */
  fill(count: number): Promise<void>;
  /**
   * Runs the `count` jobs that `fill` left, and makes sure that each has run once and has ended.
   * @returns ms from the first claim until the last job's end is stored
   */
  drain(settings: Settings, count: number): Promise<number>;
  /** Adds one job, as an application does. */
  add(): Promise<unknown>;
  /** Adds them in one call. */
  addMany(count: number): Promise<unknown>;
  close(): Promise<void>;
}

export const named = (name: string, { batch, atOnce }: Settings) =>
  `${name} (batch ${batch}, ${atOnce} at once)`;

export interface Tally {
  ran(id: string): void;
  /** @throws Error unless `count` jobs have run. */
  assertRan(count: number): void;
}

/** Which jobs have run; none may run twice. */
export function createTally(name: string): Tally {
  const ids = new Set<string>();
  return {
    ran(id) {
      if (ids.has(id)) throw new Error(`${name} ran a job twice`);
      ids.add(id);
    },
    assertRan(count) {
      if (ids.size !== count) throw new Error(`${name} ran ${ids.size} of ${count} jobs`);
    },
  };
}
