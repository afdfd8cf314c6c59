import { CommandError } from '@mobvibe/cli';
import { problemOf } from './archive.ts';
import { readParts } from './contents.ts';
import type { Month, Register } from './register.ts';
import { type ArchiveStore, partName } from './store.ts';

export interface Restored {
  partition_name: string;
  /** Nothing was to be done. */
  was_here: boolean;
  /** How many events came back. */
  restored: number;
  /** How many stay away, because their session or job was deleted since. */
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
  const { partition_name, location, contents } = month;
  if (month.state !== 'archived' || !location || !contents)
    return { partition_name, was_here: true, restored: 0, left_out: 0 };
  onProgress('reading the archive');
  const problem = await problemOf(contents, () => locate(location));
  if (problem) {
    throw new CommandError(
      `what is at ${location} is not the archive of ${partition_name}: ${problem}`,
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
      onProgress(`${rows.toLocaleString('en')} of ${contents.row_count.toLocaleString('en')} events`);
    },
  );
  onProgress('comparing it with the register');
  await register.checkRestore(month);
  const left_out = await register.clearRestore(month);
  signal.throwIfAborted();
  await register.endRestore(month);
  return { partition_name, was_here: false, restored: rows - left_out, left_out };
}
