const FIRST_MS = 100;
// Below this the next look comes soon anyway.
const WORTH_ASKING_MS = 800;

/** How long to wait before looking for jobs again. */
export interface Polling {
  /** A look found jobs, or a place became free where there was none: look closely for a while. */
  restart(): void;
  /** Milliseconds to wait after a look that left places free. */
  next(): Promise<number>;
}

/**
 * Looks after 100 ms, then after as long again as there has been nothing to do, at most the poll interval: an insert
 * that overlaps the moment a worker becomes idle wakes nobody. Never later than the next job is due that waits for
 * its time, such as one that is to be tried again.
 */
export function createPolling(options: {
  pollMs: number;
  nextDueInMs(): Promise<number | undefined>;
  now?(): number;
}): Polling {
  const { pollMs, nextDueInMs, now = () => performance.now() } = options;
  let since = now();
  return {
    restart() {
      since = now();
    },
    async next() {
      const wanted = Math.min(Math.max(FIRST_MS, now() - since), pollMs);
      if (wanted < WORTH_ASKING_MS) return wanted;
      const due = await nextDueInMs().catch(() => undefined);
      return due === undefined ? wanted : Math.min(wanted, Math.ceil(due));
    },
  };
}
