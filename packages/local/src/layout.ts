import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CommandError, errorCode, oneLine } from '@mobvibe/cli';
import { type Account, canEnter } from './account.ts';
import { explained, writeWhole } from './files.ts';
import { type Layout, layoutOf, readRecord, runningPostmaster, type ServerRecord } from './running.ts';

/** The layout of a directory, which is made when it does not exist. */
export async function openLayout(directory?: string): Promise<Layout> {
  const path = directory === undefined ? layoutOf().directory : resolve(directory);
  await explained(path, () => makeDirectory(path)).catch((error) => {
    const because = (message: string, fix: string) => new CommandError(message, fix, { cause: error });
    switch (errorCode(error)) {
      case 'EEXIST':
      case 'ENOTDIR':
        throw because(`${path} is not a directory`, 'remove it, or name another one with --directory');
      case 'ENOENT':
        throw because(`${path} cannot be made: ${oneLine(error)}`, 'name another one with --directory');
      default:
        throw error;
    }
  });
  return layoutOf(path);
}

// Where nothing can be made, as in /proc, Node's own `recursive` tries for ever.
async function makeDirectory(path: string): Promise<void> {
  if (!existsSync(dirname(path))) await makeDirectory(dirname(path));
  await mkdir(path).catch((error) => {
    if (errorCode(error) !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  });
}

export function writeRecord({ record }: Layout, content: ServerRecord): Promise<void> {
  return writeWhole(record, `${JSON.stringify(content, null, 2)}\n`, 0o644);
}

/**
 * The directory that holds what the server itself must reach, its data above all: the layout's own, or, where the
 * user that runs the server cannot enter that, its substitute.
 */
export async function placeFor({ directory }: Layout, account: Account | undefined): Promise<string> {
  return canEnter(directory, account) ? directory : makeSubstitute(directory);
}

// Not in /tmp or /var/tmp, which some systems clean by age, file by file.
const SUBSTITUTES = '/var/lib/mobvibe-local';

/** What stands in for a directory that only root can enter. */
export function substituteFor(directory: string): string {
  return join(SUBSTITUTES, createHash('sha256').update(directory).digest('hex').slice(0, 12));
}

/** Makes the substitute of a directory, open to every user whatever the umask. */
export async function makeSubstitute(directory: string): Promise<string> {
  const substitute = substituteFor(directory);
  await explained(substitute, async () => {
    await mkdir(substitute, { recursive: true });
    for (const path of [SUBSTITUTES, substitute]) await chmod(path, 0o755);
    await writeWhole(join(substitute, ORIGIN), directory, 0o644);
    await removeWidowed();
  });
  return substitute;
}

const ORIGIN = 'stands-for';

/** Removes the substitutes of directories that are gone: whoever deletes a checkout does not know of them. */
export async function removeWidowed(): Promise<void> {
  for (const name of existsSync(SUBSTITUTES) ? await readdir(SUBSTITUTES) : []) {
    const substitute = join(SUBSTITUTES, name);
    const origin = await readFile(join(substitute, ORIGIN), 'utf8').catch(() => undefined);
    if (origin === undefined || existsSync(origin) || runningPostmaster(join(substitute, 'postgres')))
      continue;
    await removeSubstitute(origin);
  }
}

export async function removeSubstitute(directory: string): Promise<void> {
  await rm(substituteFor(directory), { recursive: true, force: true });
  // Others may have theirs.
  await rmdir(SUBSTITUTES).catch(() => {});
}

/**
 * The data directory of a layout: where it was before, or else in `place`.
 * @throws CommandError when it is out of reach by now.
 */
export function dataDirectory(layout: Layout, place: string, account: Account | undefined): string {
  const before = readRecord(layout)?.data;
  if (!before || !existsSync(before)) return join(place, 'postgres');
  if (canEnter(dirname(before), account)) return before;
  throw new CommandError(
    `user ${account?.name}, who runs the server, can no longer enter ${dirname(before)}`,
    'let that user in (chmod o+x on the directories above), or pnpm local reset',
  );
}
