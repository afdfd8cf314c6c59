import { createHash } from 'node:crypto';
import { errorCode, oneLine } from '@mobvibe/cli';
import { objectName } from '@mobvibe/sync';
import pMap from 'p-map';
import type { Log } from '../log.ts';
import type { JobSession, SessionUpdate } from '../queue/queue.ts';
import { MAX_FILES, type Sandbox } from '../sandbox/sandbox.ts';
import { type Bucket, isRefused, openBucket, type StorageConfig } from './bucket.ts';
import { contentType } from './content-type.ts';
import { type Holdings, metadataOf, readHoldings } from './holdings.ts';
import { type Plan, planUpload } from './plan.ts';

export interface UploadRequest {
  /** As its row is by now, but for `sandboxId`: that of the job before this one. */
  session: Pick<JobSession, 'id' | 'userId' | 'projectId' | 'sandboxId' | 'metadata'>;
  sandbox: Pick<Sandbox, 'id' | 'fingerprints' | 'read'>;
  /** Ends it early, as `withinMs` does. */
  signal: AbortSignal;
  withinMs: number;
  /** Whether the job is still this worker's, as far as that knows. */
  isHeld(): boolean;
  /** Writes to the session's row; throws where the job is another worker's. */
  record(update: SessionUpdate): Promise<void>;
}

/** How many files were uploaded, removed, and passed over because Storage cannot have them. */
export interface UploadCounts {
  uploaded: number;
  removed: number;
  skipped: number;
}

/** Supabase Storage, where a session's owner finds what the agent wrote. */
export interface FileStore {
  /**
   * Makes the session's folder hold what its sandbox does, and sends only what changed. What fails is logged and left
   * to the next call.
   * @returns what the session's row is to say of it
   * @throws what `record` throws, nothing else
   */
  upload(request: UploadRequest): Promise<SessionUpdate>;
}

export interface FileStoreOptions {
  log: Log;
  onUpload?(counts: UploadCounts): void;
}

/** A file, and all files of a session: what somebody reads on a phone, without dependencies. */
const FILE_BYTES = 50 * 1024 * 1024;
const TOTAL_BYTES = 100 * 1024 * 1024;
/** coding_sessions.metadata holds 256 KiB, and half of them are for metadata.files. */
const RECORD_BYTES = 96 * 1024;
const AT_ONCE = 4;
const RETRIES = 4;

/** @returns undefined without a configuration: then files stay in their sandboxes, and the log says so once. */
export function createFileStore(
  config: StorageConfig | undefined,
  { log, onUpload }: FileStoreOptions,
): FileStore | undefined {
  if (!config) {
    log.info('no SUPABASE_URL with a secret key: files stay in their sandboxes');
    return undefined;
  }
  let sizeLimit: number | undefined;
  let isDown = false;

  // Said when it changes, not for each job.
  function note(failure?: unknown): void {
    if (failure && !isDown)
      log.warn({ cause: errorCode(failure) ?? oneLine(failure) }, 'files cannot be stored; going on without');
    if (!failure && isDown) log.info('files can be stored again');
    isDown = Boolean(failure);
  }

  return {
    async upload({ session, sandbox, signal: given, withinMs, isHeld, record }) {
      const ended = new AbortController();
      const signal = AbortSignal.any([given, AbortSignal.timeout(withinMs), ended.signal]);
      const bucket = openBucket(config, { signal, retries: isDown ? 0 : RETRIES });
      const holdings = readHoldings(session.metadata);
      const counts: UploadCounts = { uploaded: 0, removed: 0, skipped: 0 };
      const folder = folderOf(session);
      const check = () => {
        signal.throwIfAborted();
        if (!isHeld()) throw new Error('the job is no longer held');
      };
      let unrecorded: { error: unknown } | undefined;
      try {
        sizeLimit ??= await bucket.sizeLimit();
        const mostBytes = Math.min(sizeLimit, FILE_BYTES);
        const files = await sandbox.fingerprints(mostBytes);
        // A new sandbox says nothing of the one that was lost: what that held stays where it can be had.
        const isWhole = files.length < MAX_FILES && session.sandboxId === sandbox.id;
        const limits = { totalBytes: TOTAL_BYTES, recordBytes: RECORD_BYTES };
        const plan = planUpload(files, holdings, limits, isWhole);
        counts.skipped = plan.skipped;
        const changes = [...plan.upload, ...plan.remove];
        if (changes.length > 0) {
          check();
          for (const path of changes) holdings.set(path, null);
          // Before, so that after a crash it is known what may be anything; and so that a worker that no longer holds
          // the job is refused before it writes over its successor's files.
          await record({ metadata: metadataOf(holdings) }).catch((error) => {
            unrecorded = { error };
            throw error;
          });
          await carryOut(plan, { bucket, folder, sandbox, mostBytes, holdings, counts, check });
          note();
        }
      } catch (error) {
        ended.abort(error);
        if (unrecorded) throw unrecorded.error;
        if (!given.aborted && isHeld()) note(error);
      }
      onUpload?.(counts);
      if (counts.skipped > 0) {
        log.warn({ session_id: session.id, ...counts }, 'files that Storage cannot have were passed over');
      }
      return { metadata: metadataOf(holdings), ...(counts.uploaded > 0 && { storage_prefix: folder }) };
    },
  };
}

/** Whose files these are says the first part: the policies go by it. */
const folderOf = ({ userId, projectId, id }: UploadRequest['session']) => `${userId}/${projectId}/${id}/`;

interface Means {
  bucket: Bucket;
  folder: string;
  sandbox: Pick<Sandbox, 'read'>;
  mostBytes: number;
  /** Kept up to date, as are the counts. */
  holdings: Holdings;
  counts: UploadCounts;
  /** Throws when nothing more may be sent. */
  check(): void;
}

async function carryOut(plan: Plan, means: Means): Promise<void> {
  const { bucket, folder, sandbox, mostBytes, holdings, counts, check } = means;
  await pMap(
    sandbox.read(plan.upload, mostBytes),
    async ({ path, content }) => {
      const name = objectName(path);
      // It went, or grew, since it was listed: what Storage has of it stays unknown.
      if (!name || !content) return;
      check();
      try {
        await bucket.upload(folder + name, content, contentType(path));
        holdings.set(path, hashOf(content));
        counts.uploaded++;
      } catch (error) {
        if (!isRefused(error)) throw error;
        counts.skipped++;
      }
    },
    { concurrency: AT_ONCE },
  );
  // Last: a file that was renamed is there all the time.
  if (plan.remove.length === 0) return;
  check();
  await bucket.remove(plan.remove.map((path) => folder + objectName(path)));
  for (const path of plan.remove) holdings.delete(path);
  counts.removed = plan.remove.length;
}

const hashOf = (content: Buffer) => createHash('sha256').update(content).digest('base64url');
