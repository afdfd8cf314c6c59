/** What became of one item of a batch. */
export type Settled<Result> = { value: Result } | { error: unknown };

/**
 * Turns a call for many items into one for each: what arrives in one turn of the event loop, or while a call is in
 * flight, goes into the next one together. Nothing waits longer when nothing is in flight.
 */
export function createMicroBatch<Item, Result>(
  call: (items: Item[]) => Promise<Settled<Result>[]>,
  most = 500,
): (item: Item) => Promise<Result> {
  type Waiting = { item: Item; resolve(value: Result): void; reject(error: unknown): void };
  let waiting: Waiting[] = [];
  let inFlight = false;

  async function next(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, most);
      waiting = waiting.slice(most);
      const outcomes = await call(batch.map(({ item }) => item)).catch((error) =>
        batch.map(() => ({ error })),
      );
      batch.forEach(({ resolve, reject }, index) => {
        const outcome = outcomes[index] as Settled<Result>;
        if ('error' in outcome) reject(outcome.error);
        else resolve(outcome.value);
      });
    }
    inFlight = false;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (inFlight) return;
      inFlight = true;
      queueMicrotask(next);
    });
}
