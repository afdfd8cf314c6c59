/** The limits of a connection and of the server. */
export interface Limits {
  /** Open WebSockets. */
  connections: number;
  /** Channels of one connection. */
  channels: number;
  /** Joins a second, over all connections, averaged over a minute. */
  joinsPerSecond: number;
  /** Messages a second that one connection may send, and that the HTTP API takes; averaged over a minute. */
  messagesPerSecond: number;
  /** Bytes of a message. */
  messageBytes: number;
  /** Bytes of the record in a postgres_changes message; above, long columns are left out. */
  recordBytes: number;
  /** Row changes that may wait for their RLS check. */
  waitingChanges: number;
  /** Bytes that may wait for a client that does not read. */
  bufferedBytes: number;
  /** Milliseconds without a message, heartbeats included, after which a connection is closed. */
  silence: number;
  /** Milliseconds that a join waits for the replication stream. */
  joinWait: number;
}

/** Those of hosted Supabase without a spend cap; the last four are ours. */
export const PLATFORM_LIMITS: Limits = {
  connections: 10_000,
  channels: 100,
  joinsPerSecond: 2_500,
  messagesPerSecond: 2_500,
  messageBytes: 3_000_000,
  recordBytes: 1_048_576,
  silence: 60_000,
  waitingChanges: 10_000,
  bufferedBytes: 16_000_000,
  joinWait: 8_000,
};

const WINDOW_SECONDS = 60;

/** Counts events against a limit a second, averaged over a minute: a burst is no offence, a flood is. */
export function createRate(perSecond: number): (events?: number) => boolean {
  let windowStart = 0;
  let current = 0;
  let previous = 0;
  /** Counts, and says whether the limit is exceeded. */
  return (events = 1) => {
    const second = performance.now() / 1000;
    const windows = Math.floor((second - windowStart) / WINDOW_SECONDS);
    if (windows > 0) {
      previous = windows === 1 ? current : 0;
      current = 0;
      windowStart += windows * WINDOW_SECONDS;
    }
    current += events;
    // Of the window before, the part that is still within a minute.
    const share = 1 - (second - windowStart) / WINDOW_SECONDS;
    return current + previous * share > perSecond * WINDOW_SECONDS;
  };
}
