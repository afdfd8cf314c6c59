import { readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';

// Runs in the worker and, as part of the program in program.mjs, on a remote machine: Node's own modules only.

const MAX_LINKS = 40;

/**
 * Where a path leads, also when its end does not exist yet: behind every link, dangling ones included.
 * @param {string} path
 * @param {number} [links]
 * @returns {Promise<string>}
 * @throws when it leads nowhere: through a file, or in a circle.
 */
export async function realTarget(path, links = 0) {
  if (links > MAX_LINKS) throw new Error('too many links');
  try {
    return await realpath(path);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT' || dirname(path) === path) throw error;
  }
  const parent = await realTarget(dirname(path), links);
  const target = await readlink(join(parent, basename(path))).catch(() => undefined);
  if (target === undefined) return join(parent, basename(path));
  return realTarget(resolve(parent, target), links + 1);
}

/** @param {string} path @param {string} root */
export const isInside = (path, root) => path === root || path.startsWith(root + sep);
