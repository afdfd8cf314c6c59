export { createOnce, isIdTaken } from './create-once.ts';
export {
  type FollowedSession,
  type FollowOptions,
  followSession,
  type SessionEvent,
} from './follow-session.ts';
export type { Status } from './keep-up.ts';
export { createMemoryStore, type MemoryStore } from './memory-store.ts';
export { objectName } from './object-name.ts';
export type { Changes, JobRow, Json, ProjectRow, SessionRow } from './rows.ts';
export {
  type ChangeStore,
  pullChanges,
  type SyncedStore,
  type SyncOptions,
  syncChanges,
} from './sync-changes.ts';
