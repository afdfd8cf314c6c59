/** How much is measured. */
export interface Scale {
  users: number;
  /** A user. */
  sessions: number;
  /** Waiting jobs in a slice with batches of this size. */
  jobsOf(batch: number): number;
  /** Batch sizes at which the contenders are compared. */
  batches: readonly number[];
  /** Batch sizes among which each contender has its best. */
  best: readonly number[];
  /** Slices with each of the settings that a contender may have, before the rounds. */
  calibrations: number;
  /** Single enqueues in a slice: one after another for latency, and for throughput on so many connections. */
  latencies: number;
  enqueues: number;
  /** Calls of 1,000 in a slice. */
  bulks: number;
  finished: number;
  processes: readonly number[];
}

export const FULL: Scale = {
  users: 1_000,
  sessions: 2,
  jobsOf: (batch) => (batch < 10 ? 2_000 : batch < 100 ? 5_000 : 10_000),
  batches: [1, 10, 100, 500],
  best: [100, 500, 1_000, 2_000],
  calibrations: 1,
  latencies: 50,
  enqueues: 500,
  bulks: 10,
  finished: 1_000_000,
  processes: [1, 2, 4, 8],
};

/** For --quick. */
export const QUICK: Scale = { ...FULL, finished: 100_000 };
