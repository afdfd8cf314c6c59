import type { SessionEvent } from './event.ts';

export interface EventBatcher<Event = SessionEvent> {
  /**
   * Takes an event. Resolves at once, or, when appending cannot keep up, as soon as there is room again.
   * @throws what appending threw, once it has failed.
   */
  emit(event: Event): Promise<void>;
  /** Resolves when every event taken so far is appended. */
  drain(): Promise<void>;
  /** Forgets what is not yet appended and appends nothing more. Resolves when no append is in flight. */
  discard(): Promise<void>;
}

export interface BatcherOptions<Event = SessionEvent> {
  append(events: Event[]): Promise<void>;
  /** Called once, with the error of the first append that fails. */
  onFailure?(error: unknown): void;
  /** The least time between the starts of two appends. */
  intervalMs?: number;
  maxBatch?: number;
  /** Events held in memory before `emit` makes its caller wait. */
  maxBuffered?: number;
}

/** Appends the events of one job in order: in batches, one append in flight at a time. */
export function createEventBatcher<Event = SessionEvent>(
  options: BatcherOptions<Event>,
): EventBatcher<Event> {
  const { intervalMs = 75, maxBatch = 100, maxBuffered = 500 } = options;
  let buffer: Event[] = [];
  let timer: NodeJS.Timeout | undefined;
  let inFlight: Promise<void> | undefined;
  let lastStart = Number.NEGATIVE_INFINITY;
  let failure: { error: unknown } | undefined;
  let discarded = false;
  let urgent = false;

  function schedule(): void {
    if (inFlight || timer || buffer.length === 0 || failure) return;
    const delay =
      urgent || buffer.length >= maxBatch ? 0 : Math.ceil(lastStart + intervalMs - performance.now());
    if (delay <= 0) start();
    else
      timer = setTimeout(() => {
        timer = undefined;
        start();
      }, delay);
  }

  function start(): void {
    lastStart = performance.now();
    const batch = buffer.slice(0, maxBatch);
    buffer = buffer.slice(maxBatch);
    inFlight = options
      .append(batch)
      .catch((error) => {
        failure = { error };
        buffer = [];
        if (!discarded) options.onFailure?.(error);
      })
      .finally(() => {
        inFlight = undefined;
        schedule();
      });
  }

  async function flushUntil(done: () => boolean): Promise<void> {
    while (!done() && !failure) {
      if (timer) clearTimeout(timer);
      timer = undefined;
      urgent = true;
      schedule();
      await inFlight;
    }
    urgent = false;
    if (failure) throw failure.error;
  }

  return {
    async emit(event) {
      if (failure) throw failure.error;
      if (discarded) return;
      buffer.push(event);
      schedule();
      if (buffer.length > maxBuffered) await flushUntil(() => buffer.length <= maxBuffered);
    },
    async drain() {
      await flushUntil(() => buffer.length === 0 && !inFlight);
    },
    async discard() {
      discarded = true;
      buffer = [];
      if (timer) clearTimeout(timer);
      timer = undefined;
      await inFlight;
    },
  };
}
