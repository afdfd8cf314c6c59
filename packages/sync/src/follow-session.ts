import type { SupabaseClient } from '@supabase/supabase-js';
import { type KeptUp, keepUp, type Status } from './keep-up.ts';
import type { EventRow } from './rows.ts';

export type SessionEvent = EventRow;

export interface FollowOptions {
  /** The seq of the last event that is known already; 0, the default: begin with the first. */
  after?: number;
  /** How often to ask for what no broadcast announced, in ms; 20,000 by default. */
  checkEveryMs?: number;
  /** Events a request; 500 by default, at most 1,000. */
  pageSize?: number;
  onStatus?: (status: Status, error?: unknown) => void;
}

export interface FollowedSession extends KeptUp {
  /** The seq of the last event given to `onEvent`. */
  readonly seq: number;
}

/** The payload of an `events` broadcast. Without `events` they were too large: the range is to be fetched. */
interface EventsMessage {
  from_seq: number;
  to_seq: number;
  events?: SessionEvent[];
}

/**
 * Gives `onEvent` each event of a session once and in order: history first, then live, through disconnects, token
 * refreshes and broadcasts that were missed. Goes on until `close()`; failures are tried again and told to `onStatus`.
 */
export function followSession(
  supabase: SupabaseClient,
  sessionId: string,
  onEvent: (event: SessionEvent) => void,
  options: FollowOptions = {},
): FollowedSession {
  const { after = 0, checkEveryMs = 20_000, pageSize = 500, onStatus } = options;
  let seq = after;
  let closed = false;

  const give = (events: SessionEvent[]) => {
    for (const event of events) {
      // A page and a broadcast may overlap.
      if (closed || event.seq <= seq) continue;
      seq = event.seq;
      onEvent(event);
    }
  };

  const kept = keepUp(supabase, {
    topic: `session:${sessionId}`,
    checkEveryMs,
    onStatus,
    async catchUp(signal) {
      for (;;) {
        const { data, error } = await supabase
          .rpc('events_since', { p_session_id: sessionId, p_seq: seq, p_limit: pageSize })
          .abortSignal(signal);
        if (error) throw error;
        give(data);
        if (data.length < pageSize) return;
      }
    },
    onMessage(event, payload) {
      if (event !== 'events') return true;
      const { from_seq, to_seq, events } = payload as EventsMessage;
      if (to_seq <= seq) return true;
      if (!events || from_seq > seq + 1) return false;
      give(events);
      return true;
    },
  });

  return {
    get status() {
      return kept.status;
    },
    get seq() {
      return seq;
    },
    close() {
      closed = true;
      kept.close();
    },
  };
}
