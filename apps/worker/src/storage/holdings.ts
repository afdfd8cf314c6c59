/**
 * What Storage holds of a session: the hash of each file by its path; null where it was about to be written or
 * removed, and nobody knows whether it was.
 */
export type Holdings = Map<string, string | null>;

/** Where coding_sessions.metadata says it. */
const KEY = 'file_hashes';

export function readHoldings(metadata: Record<string, unknown>): Holdings {
  const stored = metadata[KEY];
  const entries = typeof stored === 'object' && stored !== null ? Object.entries(stored) : [];
  return new Map(entries.filter(([, hash]) => typeof hash === 'string' || hash === null));
}

export const metadataOf = (holdings: Holdings) => ({ [KEY]: Object.fromEntries(holdings) });

/** How many bytes of the metadata a file takes: its path as JSON, and a hash of 43 characters. */
export const recordSize = (path: string) => Buffer.byteLength(JSON.stringify(path)) + 50;
