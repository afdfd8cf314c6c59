import { randomUUID } from 'node:crypto';
import { CommandError, oneLine } from '@mobvibe/cli';
import { type Contents, differenceOf, readParts, writeParts } from './contents.ts';
import { type Month, nounOf, type Register } from './register.ts';
import { type ArchiveStore, partName } from './store.ts';

export interface Archived extends Pick<Month, 'kind' | 'name'> {
  location: string;
  contents: Contents;
}

export interface ArchiveOptions {
  register: Register;
  /** Where to. */
  store: ArchiveStore;
  /** Where the archive is that a month has already. */
  locate(location: string): { store: ArchiveStore; folder: string };
  signal: AbortSignal;
  onProgress(what: string): void;
}

/** How often to store a month again that changes while it is stored. */
const MOST_RUNS = 3;

/**
 * Stores a month, reads it back, enters it into the register, and drops it: in this order, and each step can be done
 * again. What a process that was killed has stored but not entered is removed; what it has entered is read back
 * and used.
 * @throws CommandError when it cannot be stored, or read back; the month is then still here
 */
export async function archiveMonth(month: Month, options: ArchiveOptions): Promise<Archived> {
  const { register, signal, onProgress } = options;
  for (let run = 1; run <= MOST_RUNS; run++) {
    const archived =
      (run === 1 && (await storedBefore(month, options))) || (await storeMonth(month, options));
    await removeOthers(archived, options);
    signal.throwIfAborted();
    onProgress('dropping it here');
    if (await register.drop(month, archived.contents)) return archived;
    onProgress('it has changed since it was stored; once more');
  }
  throw new CommandError(
    `${month.name} changes faster than it can be stored`,
    'find out who writes to a month that is over, then run it again',
  );
}

/** The archive that is in the register for a month that is still here, where it can be read back. */
async function storedBefore(
  month: Month,
  { register, locate, onProgress }: ArchiveOptions,
): Promise<Archived | undefined> {
  const { kind, name, location, contents } = month;
  if (month.state !== 'stored' || !location || !contents) return undefined;
  onProgress('reading back what was stored before');
  const problem = await problemOf(contents, () => locate(location));
  if (!problem) return { kind, name, location, contents };
  onProgress(`what was stored before is of no use: ${problem}`);
  await register.discard(month);
  return undefined;
}

async function storeMonth(
  month: Month,
  { register, store, signal, onProgress }: ArchiveOptions,
): Promise<Archived> {
  const { kind, name } = month;
  const folder = `${name}/${randomUUID()}`;
  const location = `${store.location}/${folder}`;
  // Once the register was asked to take it, it may be there, whatever became of the answer.
  let isOurs = true;
  try {
    const contents = await writeParts(
      register.lines(month),
      (part, content) => {
        signal.throwIfAborted();
        return store.write(partName(folder, part), content);
      },
      (rows) => onProgress(`${rows.toLocaleString('en')} ${nounOf(month)} stored`),
    );
    onProgress('reading it back');
    const problem = await problemOf(contents, () => ({ store, folder }));
    if (problem) {
      throw new CommandError(
        `${location} does not hold what was stored there: ${problem}`,
        'see to that place, then run it again: they are still in the database',
      );
    }
    signal.throwIfAborted();
    isOurs = false;
    if (!(await register.record(month, location, contents))) {
      isOurs = true;
      throw new CommandError(
        `another process has archived ${name} meanwhile`,
        'pnpm worker archives shows where it is',
      );
    }
    return { kind, name, location, contents };
  } catch (error) {
    if (isOurs)
      await store
        .list(folder)
        .then(store.remove)
        .catch(() => {});
    throw error;
  }
}

/** Removes what runs left that were killed, and the archive that this one replaces. */
async function removeOthers({ name, location }: Archived, { locate }: ArchiveOptions): Promise<void> {
  const { store, folder } = locate(location);
  const others = (await store.list(name)).filter((other) => !other.startsWith(`${folder}/`));
  if (others.length > 0) await store.remove(others);
}

/**
 * Reads an archive, every byte of it.
 * @returns what is wrong with it; undefined: it is what was archived
 */
export async function problemOf(
  contents: Contents,
  locate: () => { store: ArchiveStore; folder: string },
): Promise<string | undefined> {
  const { store, folder } = locate();
  let missing: string | undefined;
  try {
    const found = await readParts(contents.parts, async (part) => {
      const content = await store.read(partName(folder, part));
      if (content) return content;
      missing = `there is no ${partName(folder, part)}`;
      throw new Error(missing);
    });
    return differenceOf(found, contents);
  } catch (error) {
    if (missing) return missing;
    // What zlib says of bytes that somebody changed.
    if (error instanceof Error && 'code' in error && /^Z_/.test(String(error.code))) return oneLine(error);
    throw error;
  }
}
