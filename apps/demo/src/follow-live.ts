import { EventEmitter, once } from 'node:events';
import { createMemoryStore, followSession, syncChanges } from '@mobvibe/sync';
import type { SupabaseClient } from '@supabase/supabase-js';
import { FINAL, type Followed, type FollowedJob } from './followed.ts';

/** Shows a session's events as the phone receives them: over Realtime, through supabase-js. */
export async function followLive(
  supabase: SupabaseClient,
  { sessionId, jobId, onEvent, signal }: Followed,
): Promise<FollowedJob> {
  const news = new EventEmitter();
  const tell = () => void news.emit('news');
  const store = createMemoryStore(tell);
  const followed = followSession(supabase, sessionId, ({ seq, type, payload }) => {
    onEvent({ seq, type, payload: payload as Record<string, unknown> });
    tell();
  });
  const synced = await syncChanges(supabase, store);
  try {
    let last: number | undefined;
    for (;;) {
      const job = store.coding_jobs.get(jobId);
      if (job && FINAL.includes(job.status)) {
        // The end of the job and its last event come over two topics, in either order.
        last ??= await lastSeq(supabase, sessionId);
        if (followed.seq >= last) return { status: job.status, errorMessage: job.error_message };
      }
      await once(news, 'news', { signal });
    }
  } finally {
    followed.close();
    synced.close();
  }
}

async function lastSeq(supabase: SupabaseClient, sessionId: string): Promise<number> {
  const { data, error } = await supabase
    .from('coding_sessions')
    .select('last_event_seq')
    .eq('id', sessionId)
    .single();
  if (error) throw error;
  return data.last_event_seq;
}
