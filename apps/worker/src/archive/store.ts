import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CommandError, isCommandError, oneLine } from '@mobvibe/cli';
import { openBucket, type StorageConfig } from '../storage/bucket.ts';
import { openDirectory } from './directory.ts';

/**
 * Where archives are: for each a folder `<month>/<run>` of parts. A run never writes over another's, so that a
 * process that was thought dead can do no harm.
 */
export interface ArchiveStore {
  /** The location of everything, to which `/<month>/<run>` is added. */
  location: string;
  write(name: string, content: Buffer): Promise<void>;
  /** @returns undefined where there is none */
  read(name: string): Promise<Buffer | undefined>;
  /** The names below a folder, whole; [] where there are none. */
  list(folder: string): Promise<string[]>;
  remove(names: string[]): Promise<void>;
}

/** Made by the SQL layer. */
const BUCKET = 'event-archives';
const RETRIES = 5;

export const partName = (folder: string, part: number) =>
  `${folder}/${String(part).padStart(5, '0')}.jsonl.gz`;

/**
 * A directory of this machine where one is given, else Storage.
 * @throws CommandError where there is neither
 */
export function openStore(
  { directory, storage }: { directory?: string | undefined; storage: StorageConfig | undefined },
  signal: AbortSignal,
): ArchiveStore {
  if (directory !== undefined) {
    const path = isAbsolute(directory) ? directory : resolve(directory);
    return told({ location: pathToFileURL(path).href.replace(/\/$/, ''), ...openDirectory(path) });
  }
  if (!storage) {
    throw new CommandError(
      'there is no place for archives: no SUPABASE_URL with a secret key',
      'set both, or give a directory with --to',
      { exitCode: 2 },
    );
  }
  const bucket = openBucket(storage, { signal, retries: RETRIES, bucket: BUCKET });
  return told({
    location: `storage://${BUCKET}`,
    write: (name, content) => bucket.upload(name, content, 'application/gzip'),
    read: bucket.download,
    list: bucket.list,
    remove: bucket.remove,
  });
}

/** The same store, whose errors a person can act on. */
function told(store: ArchiveStore): ArchiveStore {
  const or = <Args extends unknown[], T>(task: (...args: Args) => Promise<T>) => {
    return async (...args: Args): Promise<T> => {
      try {
        return await task(...args);
      } catch (error) {
        if (isCommandError(error)) throw error;
        throw new CommandError(
          `${store.location}: ${oneLine(error)}`,
          'see to that place, then run it again: nothing is lost',
          { cause: error },
        );
      }
    };
  };
  return {
    location: store.location,
    write: or(store.write),
    read: or(store.read),
    list: or(store.list),
    remove: or(store.remove),
  };
}

/**
 * The store that a location of the register names, and the folder in it.
 * @param from the directory that the archives of that location were moved to
 */
export function openLocation(
  location: string,
  {
    from,
    storage,
    signal,
  }: { from?: string | undefined; storage: StorageConfig | undefined; signal: AbortSignal },
): { store: ArchiveStore; folder: string } {
  const [, base, folder] = /^(.+)\/([^/]+\/[^/]+)$/.exec(location) ?? [];
  if (base === undefined || folder === undefined) throw new Error(`${location} is no location of an archive`);
  const directory = from ?? (base.startsWith('file:') ? fileURLToPath(base) : undefined);
  return { store: openStore({ directory, storage }, signal), folder };
}
