import pRetry from 'p-retry';
import { isConnectionLost } from './connection-lost.ts';

/** Tries again with backoff, at first after 100 ms, while the connection is what failed and `may` allows it. */
export function retryConnection<T>(task: () => Promise<T>, may: () => boolean): Promise<T> {
  return pRetry(task, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 50,
    maxTimeout: 1_000,
    randomize: true,
    shouldRetry: ({ error }) => may() && isConnectionLost(error),
  });
}
