import type { SupabaseClient } from '@supabase/supabase-js';
import { backoff } from './backoff.ts';
import { listen } from './topic.ts';

/**
 * `connecting`: not joined yet. `live`: joined, and caught up since. `reconnecting`: the connection was lost, or
 * catching up failed; it is being tried again. `closed`: by `close()`.
 */
export type Status = 'connecting' | 'live' | 'reconnecting' | 'closed';

export interface KeepUpOptions {
  topic: string;
  /** Reads everything that is there to read. Runs one at a time, and is tried again when it fails. */
  catchUp(signal: AbortSignal): Promise<void>;
  /** A broadcast of the topic. True: it was made use of; false: catch up. */
  onMessage(event: string, payload: unknown): boolean;
  /** Broadcasts are delivered at most once: how often to catch up without having heard anything, in ms. */
  checkEveryMs: number;
  onStatus?: ((status: Status, error?: unknown) => void) | undefined;
}

export interface KeptUp {
  readonly status: Status;
  close(): void;
}

/** Listens to a topic and catches up: at the start, each time it is joined, on a hint, and now and then. */
export function keepUp(supabase: SupabaseClient, options: KeepUpOptions): KeptUp {
  const { topic, catchUp, onMessage, checkEveryMs, onStatus } = options;
  const closing = new AbortController();
  const { signal } = closing;
  let status: Status = 'connecting';
  let joined = false;
  let running = false;
  let again = false;
  let failures = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;

  const become = (next: Status, error?: unknown) => {
    if (status === 'closed' || (status === next && error === undefined)) return;
    status = next;
    onStatus?.(next, error);
  };
  const lost = (error?: unknown) => become(status === 'connecting' ? 'connecting' : 'reconnecting', error);

  const wake = async () => {
    again = true;
    if (running || signal.aborted) return;
    running = true;
    clearTimeout(retry);
    try {
      while (again && !signal.aborted) {
        again = false;
        await catchUp(signal);
      }
      failures = 0;
      if (joined) become('live');
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      retry = setTimeout(wake, backoff(failures));
      lost(error);
    } finally {
      running = false;
    }
  };

  const leave = listen(supabase, topic, {
    onMessage(event, payload) {
      if (!signal.aborted && !onMessage(event, payload)) void wake();
    },
    onJoined(isJoined, error) {
      joined = isJoined;
      // What was sent between the last catching up and the join was heard by nobody.
      if (joined) void wake();
      else lost(error);
    },
  });
  const check = setInterval(wake, checkEveryMs);
  void wake();

  return {
    get status() {
      return status;
    },
    close() {
      become('closed');
      closing.abort();
      clearInterval(check);
      clearTimeout(retry);
      leave();
    },
  };
}
