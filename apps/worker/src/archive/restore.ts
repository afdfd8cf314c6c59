import { CommandError } from '@mobvibe/cli';
import { problemOf } from './archive.ts';
import { readParts } from './contents.ts';
import { type Month, nounOf, type Register } from './register.ts';
import { type ArchiveStore, partName } from './store.ts';

export interface Restored extends Pick<Month, 'kind' | 'name'> {
  /** Nothing was to be done. */
  was_here: boolean;
  /** How many rows came back. */
  restored: number;
  /** How many stay away, because what they belong to was deleted since. */
  left_out: number;
}

export interface RestoreOptions {
  register: Register;
  locate(location: string): { store: ArchiveStore; folder: string };
  signal: AbortSignal;
  onProgress(what: string): void;
}

/**
 * Brings a month back. The archive is read through before its first row is restored, and the rows are held against
 * the register before anybody sees one. Begins anew where a restore was killed.
 * @throws CommandError when the archive is not what was stored; nothing has changed then
 */
export async function restoreMonth(
  month: Month,
  { register, locate, signal, onProgress }: RestoreOptions,
): Promise<Restored> {
  const { kind, name, location, contents } = month;
  if (month.state !== 'archived' || !location || !contents)
    return { kind, name, was_here: true, restored: 0, left_out: 0 };
  onProgress('reading the archive');
  const problem = await problemOf(contents, () => locate(location));
  if (problem) {
    throw new CommandError(
      `what is at ${location} is not the archive of ${name}: ${problem}`,
      'put the archive there as it was; where it is in another directory, name that with --from',
    );
  }
  const { store, folder } = locate(location);
  await register.beginRestore(month);
  let rows = 0;
  await readParts(
    contents.parts,
    async (part) => (await store.read(partName(folder, part))) ?? Buffer.alloc(0),
    async (lines) => {
      signal.throwIfAborted();
      await register.restoreLines(month, lines);
      rows += lines.length;
      onProgress(
        `${rows.toLocaleString('en')} of ${contents.row_count.toLocaleString('en')} ${nounOf(month)}`,
      );
    },
  );
  onProgress('comparing it with the register');
  signal.throwIfAborted();
  const left_out = await register.endRestore(month);
  return { kind, name, was_here: false, restored: rows - left_out, left_out };
}
