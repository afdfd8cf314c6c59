import { readdir } from 'node:fs/promises';
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
