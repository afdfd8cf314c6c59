/** What a worker of the suite is to be, in CHAOS_WORKER as JSON. */
export interface WorkerOrder {
  url: string;
  workerId: string;
  leaseMs: number;
  concurrency: number;
}

/** Exit code of a worker: the database was not to be had when it wanted to start. */
export const NOT_STARTED = 75;
