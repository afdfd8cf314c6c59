import { createMemoryStore, type Status, syncChanges } from '@mobvibe/sync';
import type { SupabaseClient } from '@supabase/supabase-js';
import { useEffect, useMemo, useState } from 'preact/hooks';

/** The user's projects, sessions and jobs, kept in step for as long as the caller is shown, which redraws with them. */
export function useStore(supabase: SupabaseClient, userId: string) {
  const [status, setStatus] = useState<Status>('connecting');
  const [changes, setChanges] = useState(0);
  const store = useMemo(() => createMemoryStore(() => setChanges((count) => count + 1)), []);
  useEffect(() => {
    const synced = syncChanges(supabase, store, { userId, onStatus: setStatus });
    return () => void synced.then(({ close }) => close());
  }, [supabase, userId, store]);
  return { store, status, loaded: changes > 0 };
}
