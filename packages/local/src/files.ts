import { randomUUID } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { CommandError, errorCode, oneLine } from '@mobvibe/cli';

/** Writes a file in one piece: a reader sees the old content or the new, never a part. */
export async function writeWhole(path: string, content: string, mode: number): Promise<void> {
  const unfinished = `${path}.${randomUUID()}`;
  await writeFile(unfinished, content, { mode });
  await rename(unfinished, path);
}

/** Runs `task`; what the file system refuses ends as two lines about `path`. */
export async function explained<T>(path: string, task: () => T | Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    const because = (message: string, fix: string) => new CommandError(message, fix, { cause: error });
    switch (errorCode(error)) {
      case 'EACCES':
      case 'EPERM':
      case 'EROFS':
        throw because(
          `${path} cannot be used: ${oneLine(error)}`,
          'give this user the right to, or name another directory with --directory',
        );
      case 'ENOSPC':
      case 'EDQUOT':
        throw because(
          `no space left for ${path}`,
          'make room, or name a directory elsewhere with --directory',
        );
      default:
        throw error;
    }
  }
}
