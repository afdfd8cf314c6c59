import type { SupabaseClient } from '@supabase/supabase-js';

const ID_TAKEN = 'MobVibeIdTaken';

/** Whether an error of createOnce says that the id belongs to a row of somebody else. */
export const isIdTaken = (error: unknown): boolean => error instanceof Error && error.name === ID_TAKEN;

/**
 * Inserts a row under an id that the client made (a UUID, best of version 7). Repeating it, after an answer was lost or
 * from a queue kept offline, does nothing.
 * @returns whether this call made the row
 * @throws the error of the API; `isIdTaken` tells whether the id is somebody else's.
 */
export async function createOnce(
  supabase: SupabaseClient,
  table: 'projects' | 'coding_sessions' | 'coding_jobs',
  row: { id: string } & Record<string, unknown>,
): Promise<boolean> {
  const inserted = await supabase
    .from(table)
    .upsert(row, { onConflict: 'id', ignoreDuplicates: true })
    .select('id');
  if (inserted.error) throw inserted.error;
  if (inserted.data.length > 0) return true;
  const own = await supabase.from(table).select('id').eq('id', row.id);
  if (own.error) throw own.error;
  if (own.data.length === 0) {
    throw Object.assign(new Error(`the id of a new row in ${table} is taken`), { name: ID_TAKEN });
  }
  return false;
}
