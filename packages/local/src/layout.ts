import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { lstat, mkdir, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CommandError, errorCode, localEnvironmentFile, oneLine, repositoryRoot } from '@mobvibe/cli';
import { type Account, canEnter } from './account.ts';

/** Where the parts of one server lie. */
export interface Layout {
  /** `.local` of the checkout, or the one asked for. */
  directory: string;
  /** What the next command must know: see `Record`. */
  record: string;
  /** The variables of the running server, in dotenv format. */
  environment: string;
  log: string;
}

/** What outlives a server: where its data lies, and the port it listened on. */
export interface ServerRecord {
  data: string;
  port: number;
  /** The last day that has a partition of realtime.messages. */
  realtimeUntil?: string;
}

/** The layout of a directory, which is made when it does not exist. */
export async function openLayout(directory: string = join(repositoryRoot, '.local')): Promise<Layout> {
  const path = resolve(directory);
  await explained(path, () => mkdir(path, { recursive: true }));
  return layoutOf(path);
}

/** The layout of a directory that may not exist. */
export function layoutOf(directory: string = join(repositoryRoot, '.local')): Layout {
  const path = realPath(resolve(directory));
  return {
    directory: path,
    record: join(path, 'server.json'),
    environment: path === realPath(join(repositoryRoot, '.local')) ? localEnvironmentFile : join(path, 'env'),
    log: join(path, 'postgres.log'),
  };
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

export function readRecord({ record }: Layout): ServerRecord | undefined {
  try {
    return JSON.parse(readFileSync(record, 'utf8')) as ServerRecord;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

export function writeRecord({ record }: Layout, content: ServerRecord): Promise<void> {
  return writeWhole(record, `${JSON.stringify(content, null, 2)}\n`);
}

/** Writes a file in one piece: a reader sees the old content or the new, and nobody else sees either. */
export async function writeWhole(path: string, content: string): Promise<void> {
  const unfinished = `${path}.${randomUUID()}`;
  await writeFile(unfinished, content, { mode: 0o600 });
  await rename(unfinished, path);
}

/**
 * The directory that holds what the server itself must reach, its data above all: the layout's own, or, where the
 * user that runs the server cannot enter that, one in /var/tmp that belongs to this directory alone.
 */
export async function placeFor({ directory }: Layout, account: Account | undefined): Promise<string> {
  if (canEnter(directory, account)) return directory;
  const place = substitutePlace(directory);
  await explained(place, () => mkdir(place, { recursive: true, mode: 0o755 }));
  const { uid } = await lstat(place);
  if (uid !== process.getuid?.()) {
    throw new CommandError(`${place} belongs to another user`, 'have it removed, and start again');
  }
  return place;
}

export function substitutePlace(directory: string): string {
  const id = createHash('sha256').update(directory).digest('hex').slice(0, 12);
  return join('/var/tmp', `mobvibe-local-${id}`);
}

/** Runs `task`; a refusal of the file system ends as two lines about `path`. */
export async function explained<T>(path: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    switch (errorCode(error)) {
      case 'EACCES':
      case 'EPERM':
      case 'EROFS':
        throw new CommandError(
          `cannot write to ${path}: ${oneLine(error)}`,
          'make it writable for this user, or name another one with --directory',
          { cause: error },
        );
      case 'ENOSPC':
      case 'EDQUOT':
        throw new CommandError(
          `no space left for ${path}`,
          'make room, or name another disk with --directory',
          {
            cause: error,
          },
        );
      case 'EEXIST':
      case 'ENOTDIR':
        throw new CommandError(
          `${path} is not a directory`,
          'remove it, or name another one with --directory',
          {
            cause: error,
          },
        );
      default:
        throw error;
    }
  }
}
