import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode } from '@mobvibe/cli';
import type { ArchiveStore } from './store.ts';

/** Archives in a directory of this machine. */
export function openDirectory(directory: string): Omit<ArchiveStore, 'location'> {
  return {
    async write(name, content) {
      const path = join(directory, name);
      const folder = dirname(path);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const file = await open(`${path}.part`, 'w', 0o600);
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${path}.part`, path);
      // What is in the register must still be here after a power cut: the names too, up to the directory.
      for (const parent of [folder, dirname(folder), directory]) await sync(parent);
    },
    async read(name) {
      try {
        return await readFile(join(directory, name));
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
    async list(folder) {
      try {
        const entries = await readdir(join(directory, folder), { recursive: true, withFileTypes: true });
        return entries
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name).slice(join(directory, '/').length));
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return [];
        throw error;
      }
    },
    async remove(names) {
      for (const name of names) await rm(join(directory, name), { force: true });
      const folders = new Set(names.map((name) => join(directory, dirname(name))));
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
    },
  };
}

async function sync(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
