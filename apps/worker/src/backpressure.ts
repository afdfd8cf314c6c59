const BEHIND_MS = 1_000;

/** Says whether what the running jobs write still reaches the database in time. */
export interface Backpressure {
  /** Takes a write into account until it ends. */
  track<T>(write: Promise<T>): Promise<T>;
  /** A write has been under way for a second: the database is slow or away, or no connection is free. */
  readonly isBehind: boolean;
}

export function createBackpressure(): Backpressure {
  // A set keeps the order of insertion: the first is the oldest.
  const underWay = new Set<{ since: number }>();
  return {
    async track(write) {
      const entry = { since: performance.now() };
      underWay.add(entry);
      try {
        return await write;
      } finally {
        underWay.delete(entry);
      }
    },
    get isBehind() {
      const [oldest] = underWay;
      return oldest !== undefined && performance.now() - oldest.since > BEHIND_MS;
    },
  };
}
