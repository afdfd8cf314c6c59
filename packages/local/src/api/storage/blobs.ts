import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errorCode } from '@mobvibe/cli';
import { invalidRequest, isStorageError, tooLarge } from './errors.ts';

/** What was received, whole and on disk, but not yet part of anything. */
export interface Received {
  version: string;
  size: number;
  eTag: string;
}

/**
 * The bytes of objects: one file a version, named by the id of the version. What an object is called never becomes a
 * path, so that no name can lead anywhere.
 */
export interface Blobs {
  /**
   * Writes a stream down under a new version.
   * @throws StorageError when it is longer than `limit` bytes; then nothing of it is left.
   */
  receive(stream: Readable, limit: number): Promise<Received>;
  /** Opens a version for reading; undefined when there is none. */
  open(version: string): Promise<FileHandle | undefined>;
  copy(version: string): Promise<string>;
  remove(versions: (string | null)[]): Promise<void>;
}

// Whatever else goes wrong while a stream is read is the sender's.
const isOfTheDisk = (error: unknown) =>
  /^E(NOSPC|DQUOT|IO|ACCES|MFILE|NFILE|NOENT|ROFS)$/.test(errorCode(error) ?? '');

const UNFINISHED = '.part';
const VERSION = /^[0-9a-f-]{36}$/;

export async function createBlobs(directory: string): Promise<Blobs> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // What a killed process was writing.
  for (const name of await readdir(directory)) {
    if (name.endsWith(UNFINISHED)) await rm(join(directory, name), { force: true });
  }
  const fileOf = (version: string) => {
    // Versions come from the database, where an application may have written one.
    if (!VERSION.test(version)) throw new Error('a version that is no uuid');
    return join(directory, version);
  };
  return {
    receive: async (stream, limit) => {
      const version = randomUUID();
      const unfinished = fileOf(version) + UNFINISHED;
      const hash = createHash('md5');
      let size = 0;
      const measure = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          size += chunk.length;
          if (size > limit) return done(tooLarge());
          hash.update(chunk);
          done(null, chunk);
        },
      });
      const file = await open(unfinished, 'wx', 0o600);
      try {
        await pipeline(stream, measure, file.createWriteStream({ flush: true }));
        await rename(unfinished, fileOf(version));
      } catch (error) {
        await rm(unfinished, { force: true });
        throw isOfTheDisk(error) || isStorageError(error) ? error : invalidRequest('the upload broke off');
      }
      return { version, size, eTag: `"${hash.digest('hex')}"` };
    },
    open: async (version) => {
      if (!VERSION.test(version)) return undefined;
      try {
        return await open(fileOf(version));
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
    copy: async (version) => {
      const copy = randomUUID();
      await copyFile(fileOf(version), fileOf(copy), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      return copy;
    },
    remove: async (versions) => {
      for (const version of versions) {
        if (version && VERSION.test(version)) await rm(fileOf(version), { force: true });
      }
    },
  };
}
