import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

// Runs in the worker and, as part of the program in program.mjs, on a remote machine: Node's own modules only.

const NOT_THE_APP = new Set(['node_modules', '.git', '.expo', 'dist', '.mobvibe']);

/**
 * The files under a directory, by path, without dependencies and version control; at most so many. Links are not
 * followed and not listed.
 * @param {string} directory
 * @param {number} most
 * @param {string[]} [found]
 * @returns {Promise<string[]>}
 */
export async function listFiles(directory, most, found = []) {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (found.length >= most) break;
    const path = join(directory, entry.name);
    if (entry.isFile()) found.push(path);
    else if (entry.isDirectory() && !NOT_THE_APP.has(entry.name)) await listFiles(path, most, found);
  }
  return found;
}

/**
 * Opens a file; undefined where there is none. What the agent put in its place is neither a link that is followed nor
 * a pipe that is waited for.
 * @param {string} path
 */
export async function openFile(path) {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined);
  if (!file || (await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}

/**
 * Size and hash of a file, without a hash where it is larger than that; undefined where there is none.
 * @param {string} path
 * @param {number} mostBytes
 * @returns {Promise<{ size: number, hash?: string } | undefined>}
 */
export async function fingerprint(path, mostBytes) {
  const file = await openFile(path);
  if (!file) return undefined;
  try {
    const { size } = await file.stat();
    if (size > mostBytes) return { size };
    const hash = createHash('sha256');
    for await (const chunk of file.createReadStream({ autoClose: false })) hash.update(chunk);
    return { size, hash: hash.digest('base64url') };
  } finally {
    await file.close();
  }
}
