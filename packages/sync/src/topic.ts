import type { RealtimeChannel, SupabaseClient } from '@supabase/supabase-js';
import { backoff } from './backoff.ts';

/** What a listener of a topic is told. */
export interface Listener {
  onMessage(event: string, payload: unknown): void;
  /** True each time the topic is joined, false when it is lost. */
  onJoined(joined: boolean, error?: Error): void;
}

interface Topic {
  listeners: Set<Listener>;
  joined: boolean;
  /** Ends the wait of the loop that keeps it joined. */
  wake(): void;
}

// supabase-js has one channel a topic, and a second subscription of it is silently ignored: listeners share it.
const topicsOf = new WeakMap<SupabaseClient, Map<string, Topic>>();

/**
 * Listens to the broadcasts of a private topic, and stays joined until the returned function is called. supabase-js
 * joins again by itself after an error or a lost connection, but not when the server closed the channel.
 */
export function listen(supabase: SupabaseClient, name: string, listener: Listener): () => void {
  const topics = topicsOf.get(supabase) ?? new Map<string, Topic>();
  topicsOf.set(supabase, topics);
  const topic: Topic = topics.get(name) ?? { listeners: new Set(), joined: false, wake: () => {} };
  topic.listeners.add(listener);
  if (!topics.has(name)) {
    topics.set(name, topic);
    void stayJoined(supabase, name, topic, () => topics.delete(name));
  }
  if (topic.joined) listener.onJoined(true);
  return () => {
    topic.listeners.delete(listener);
    topic.wake();
  };
}

async function stayJoined(
  supabase: SupabaseClient,
  name: string,
  topic: Topic,
  onEnd: () => void,
): Promise<void> {
  let failures = 0;
  while (topic.listeners.size > 0) {
    // Without this the first join may go out before the client knows its token.
    await supabase.realtime.setAuth().catch(() => {});
    let closed = false;
    const channel = open(supabase, name, topic, (status, error) => {
      const joined = status === 'SUBSCRIBED';
      if (joined) failures = 0;
      if (status === 'CLOSED') closed = true;
      topic.joined = joined;
      for (const listener of [...topic.listeners]) listener.onJoined(joined, error);
      topic.wake();
    });
    await until(topic, () => closed || topic.listeners.size === 0);
    topic.joined = false;
    if (!closed) await supabase.removeChannel(channel);
    if (topic.listeners.size === 0) continue;
    failures += 1;
    await pause(topic, backoff(failures));
  }
  // At once: whoever listens next must not find a topic that nobody keeps joined.
  onEnd();
}

function open(
  supabase: SupabaseClient,
  name: string,
  topic: Topic,
  onStatus: (status: `${string}`, error?: Error) => void,
): RealtimeChannel {
  return supabase
    .channel(name, { config: { private: true } })
    .on('broadcast', { event: '*' }, ({ event, payload }) => {
      for (const listener of [...topic.listeners]) listener.onMessage(event, payload);
    })
    .subscribe(onStatus);
}

async function until(topic: Topic, condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise<void>((resolve) => {
      topic.wake = resolve;
    });
  }
}

async function pause(topic: Topic, ms: number): Promise<void> {
  let over = false;
  const timer = setTimeout(() => {
    over = true;
    topic.wake();
  }, ms);
  await until(topic, () => over || topic.listeners.size === 0);
  clearTimeout(timer);
}
