import { followSession, type SessionEvent, type Status } from '@mobvibe/sync';
import type { SupabaseClient } from '@supabase/supabase-js';
import { useEffect, useRef, useState } from 'preact/hooks';

/** The events of a session, history first and then as they come, and whether the connection is up. */
export function useEvents(supabase: SupabaseClient, sessionId: string) {
  const [events, setEvents] = useState<SessionEvent[]>([]);
  const [status, setStatus] = useState<Status>('connecting');
  const arrived = useRef<SessionEvent[]>([]);
  useEffect(() => {
    let frame = 0;
    // A batch is one redraw.
    const show = () => {
      frame = 0;
      const batch = arrived.current.splice(0);
      setEvents((known) => [...known, ...batch]);
    };
    const followed = followSession(
      supabase,
      sessionId,
      (event) => {
        arrived.current.push(event);
        frame ||= requestAnimationFrame(show);
      },
      { onStatus: setStatus },
    );
    return () => {
      followed.close();
      cancelAnimationFrame(frame);
    };
  }, [supabase, sessionId]);
  return { events, status };
}
