import type { JobSession, SessionUpdate } from '../queue/queue.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { FileStore, UploadRequest } from './file-store.ts';

// coding_sessions.metadata holds 256 KiB, and more than the paths of files.
const MAX_FILES_BYTES = 128 * 1024;

export interface KeepFilesOptions extends Pick<UploadRequest, 'signal' | 'withinMs' | 'isHeld'> {
  session: JobSession;
  sandbox: Sandbox;
  /** Undefined: they stay in the sandbox. */
  store: FileStore | undefined;
  updateSession(update: SessionUpdate): Promise<void>;
}

/**
 * Uploads what the agent wrote, then records the paths in the session's row.
 * @throws what the sandbox says when it is lost, and what `updateSession` throws; never that Storage is down.
 */
export async function keepFiles(options: KeepFilesOptions): Promise<void> {
  const { session, sandbox, store, updateSession, ...rest } = options;
  const record = async (update: SessionUpdate) => {
    await updateSession(update);
    // Another call for the same job goes on from here.
    Object.assign(session.metadata, update.metadata);
  };
  const paths = await sandbox.files();
  const stored = await store?.upload({ ...rest, session, sandbox, record });
  const files = upToBytes(paths, MAX_FILES_BYTES);
  await record({ ...stored, metadata: { files, ...stored?.metadata } });
}

function upToBytes(lines: string[], most: number): string[] {
  let size = 0;
  return lines.filter((line) => {
    size += Buffer.byteLength(JSON.stringify(line)) + 2;
    return size <= most;
  });
}
