import type { SupabaseClient } from '@supabase/supabase-js';
import { useEffect, useState } from 'preact/hooks';

/** The signed-in user, null when nobody is, undefined until that is known. */
export function useSignedIn(supabase: SupabaseClient): { id: string; email: string } | null | undefined {
  const [user, setUser] = useState<{ id: string; email: string } | null>();
  useEffect(() => {
    const { data } = supabase.auth.onAuthStateChange((_event, session) => {
      const next = session && { id: session.user.id, email: session.user.email ?? '' };
      // A refreshed token is the same user.
      setUser((known) => (known && next && known.id === next.id ? known : next));
    });
    return () => data.subscription.unsubscribe();
  }, [supabase]);
  return user;
}
