import type { SupabaseClient } from '@supabase/supabase-js';
import { type KeptUp, keepUp, type Status } from './keep-up.ts';
import type { Changes } from './rows.ts';

/** Where one user's local copy is kept: SQLite, IndexedDB, memory. */
export interface ChangeStore {
  /** The cursor of the last changes applied; null when there are none. */
  cursor(): string | null | Promise<string | null>;
  /**
   * Puts every row in the place of the one with its id, and keeps the cursor: both, or, when it throws, neither. A row
   * may come again. With `reset`, all rows that are there go first.
   */
  apply(changes: Changes): void | Promise<void>;
}

export interface SyncOptions {
  /** Whose changes; by default the signed-in user's. */
  userId?: string;
  /** How often to ask for what no broadcast announced, in ms; 60,000 by default. */
  checkEveryMs?: number;
  /** Rows a request; 500 by default, at most 1,000. */
  pageSize?: number;
  onStatus?: (status: Status, error?: unknown) => void;
}

export type SyncedStore = KeptUp;

/**
 * Brings a local copy up to date, once. Two at a time on one store would overwrite new rows with old ones.
 * @throws the error of the API, or the store's.
 */
export async function pullChanges(
  supabase: SupabaseClient,
  store: ChangeStore,
  { pageSize = 500, signal }: { pageSize?: number; signal?: AbortSignal } = {},
): Promise<void> {
  let cursor = await store.cursor();
  for (;;) {
    signal?.throwIfAborted();
    const request = supabase.rpc('sync_changes', { p_cursor: cursor, p_limit: pageSize });
    const { data, error } = await (signal ? request.abortSignal(signal) : request);
    if (isNoCursor(error) && cursor !== null) {
      // Of another version, or damaged: all rows come anew.
      cursor = null;
      continue;
    }
    if (error) throw error;
    const { more, ...changes } = data as Changes & { more: boolean };
    signal?.throwIfAborted();
    await store.apply(changes);
    cursor = changes.cursor;
    if (!more) return;
  }
}

const isNoCursor = (error: { code?: string } | null): boolean => error?.code === '22023';

/**
 * Keeps a local copy of the user's projects, sessions and jobs in step: at once, on each hint, after each reconnect,
 * and now and then. Goes on until `close()`; failures are tried again and told to `onStatus`.
 * @throws when nobody is signed in and no `userId` is given.
 */
export async function syncChanges(
  supabase: SupabaseClient,
  store: ChangeStore,
  options: SyncOptions = {},
): Promise<SyncedStore> {
  const { checkEveryMs = 60_000, pageSize = 500, onStatus } = options;
  const userId = options.userId ?? (await signedInUser(supabase));
  return keepUp(supabase, {
    topic: `user:${userId}`,
    checkEveryMs,
    onStatus,
    catchUp: (signal) => pullChanges(supabase, store, { pageSize, signal }),
    // A hint names rows and their status; the rows themselves come with the cursor.
    onMessage: () => false,
  });
}

async function signedInUser(supabase: SupabaseClient): Promise<string> {
  const { data, error } = await supabase.auth.getSession();
  if (error) throw error;
  if (!data.session) throw new Error('nobody is signed in');
  return data.session.user.id;
}
