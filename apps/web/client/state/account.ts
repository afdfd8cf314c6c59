import type { MemoryStore } from '@mobvibe/sync';
import type { SupabaseClient } from '@supabase/supabase-js';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

export interface Account {
  supabase: SupabaseClient;
  user: { id: string; email: string };
  /** The user's projects, sessions and jobs, kept in step. */
  store: MemoryStore;
  /** Whether the store has been filled. */
  loaded: boolean;
}

export const AccountContext = createContext<Account | undefined>(undefined);

/** Who is signed in, and what is theirs. */
export function useAccount(): Account {
  const account = useContext(AccountContext);
  if (!account) throw new Error('nobody is signed in here');
  return account;
}
