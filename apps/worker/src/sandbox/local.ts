import { constants } from 'node:fs';
import { access, mkdir, readdir, realpath, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { CommandError, errorCode } from '@mobvibe/cli';
import { endProcesses, sessionMark } from './processes.ts';
import type { Sandbox, Sandboxes } from './sandbox.ts';

const MAX_FILES = 500;
const NOT_THE_APP = new Set(['node_modules', '.git', '.expo', 'dist']);

/**
 * Sandboxes as directories of this machine, `<data>/sessions/<session id>/{home,project}`. A directory is no
 * jail: the agent's file tools are held inside it, its shell commands run as the worker's own user.
 * @throws CommandError when that directory cannot be written to.
 */
export async function openLocalSandboxes(dataDirectory: string): Promise<Sandboxes> {
  const sessions = join(dataDirectory, 'sessions');
  try {
    await mkdir(sessions, { recursive: true, mode: 0o700 });
    await access(sessions, constants.W_OK);
  } catch (error) {
    throw new CommandError(
      `sandboxes cannot be made in ${dataDirectory}: ${errorCode(error)}`,
      'name a directory of your own with --data',
      { cause: error },
    );
  }
  return {
    async open(sessionId) {
      const root = join(sessions, sessionId);
      await mkdir(join(root, 'home'), { recursive: true, mode: 0o700 });
      await mkdir(join(root, 'project'), { recursive: true, mode: 0o700 });
      // npm looks upwards for a package: without one here, an install in an empty project would change whatever
      // package the data directory lies in.
      await writeFile(join(root, 'package.json'), '{ "private": true }\n');
      await endProcesses(sessionMark(sessionId));
      return sandbox(sessionId, await realpath(root));
    },
  };
}

function sandbox(sessionId: string, root: string): Sandbox {
  const project = join(root, 'project');
  return {
    id: `local:${sessionId}`,
    project,
    home: join(root, 'home'),
    previewUrl: async () => undefined,
    files: async () => (await listFiles(project)).map((path) => relative(project, path)).sort(),
  };
}

async function listFiles(directory: string, found: string[] = []): Promise<string[]> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (found.length >= MAX_FILES) break;
    const path = join(directory, entry.name);
    if (entry.isFile()) found.push(path);
    else if (entry.isDirectory() && !NOT_THE_APP.has(entry.name)) await listFiles(path, found);
  }
  return found;
}
